"""One announced chunk: fetched, checked, laid into its batch; from where a connection was cut, if need be."""

from __future__ import annotations

import threading
import time
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

import grpc

from ..errors import (
    ChunkNotFound,
    FetchStalled,
    ProtocolMismatch,
    RelayBusy,
    TlsFailed,
    Unauthenticated,
    WorkerBusy,
    WorkerUnreachable,
)
from ..v1.coordinator_pb2 import Nack
from ..v1.run_pb2 import ChunkId
from ..v1.worker_pb2 import ChunkHeader, FetchChunkRequest
from .assembly import ChunkSink
from .error import CropstreamError
from .frame import Frame, parse_frame
from .routes import Route, Routes
from .schedule import Positions
from .slots import Announcement
from .status import from_status
from .timers import Timers, Watchdog
from .transport import Transport

SILENT_SECONDS = 1.0
"""A worker that sends no byte for so long is taken for gone."""
RELAY_SILENT_SECONDS = 10.0
"""A coordinator that relays has to wait for the chunk's turn, and watches its worker itself: only a longer silence says
that it is gone. As long as keepalive takes to notice."""
_MAX_RESUMES = 16
"""Cuts of one announced chunk after which the coordinator is told, though each call brought some bytes."""


class Result(Enum):
    HELD = "held"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Outcome:
    result: Result
    reason: Nack.Reason | None = None
    """For a nack; None where the chunk is where it was announced, only not to be had this moment."""
    problem: str = ""
    refused: CropstreamError | None = None
    """What is wrong with this client's token or TLS. Coordinators admit no worker that does not let them in themselves,
    so it is nothing of that worker alone."""


@dataclass(frozen=True)
class FetchOptions:
    transport: Transport
    timers: Timers
    routes: Routes
    run_digest: str
    process: str
    """The trainer's, as in its Attach."""


_HELD = Outcome(Result.HELD)
_DROPPED = Outcome(Result.DROPPED)


class _Damaged(Exception):
    pass


class ChunkFetch:
    """`run` blocks the thread that calls it; everything else may be called from any."""

    def __init__(self, options: FetchOptions, chunk: Positions, announcement: Announcement, again: bool) -> None:
        """`again`: it could not be had from the same worker before."""
        self._options = options
        self._timers = options.timers
        self._id = ChunkId(run_digest=options.run_digest, epoch=chunk.epoch, first=chunk.first, last=chunk.last)
        self.announcement = announcement
        self._again = again
        self.route = options.routes.of(announcement.address)
        self._undialled = ""
        """Why the worker could not be reached directly; empty: it was not tried, or it could."""
        self.started = time.monotonic()
        self.received = 0
        self._header: ChunkHeader | None = None
        self._crc = 0
        self._lock = threading.Lock()
        self._call: Any = None
        self._dropped = False
        self._problem = ""
        self._blamed = False
        """Whether the last cut was the worker's doing, as far as is known."""
        self._silent = False

    def cancel(self) -> None:
        """Nobody wants it any more."""
        with self._lock:
            self._dropped = True
            if self._call is not None:
                self._call.cancel()

    def run(self, sink: ChunkSink) -> Outcome:
        """Fetches until the chunk is held, cannot be had there, or is cancelled."""
        resumes = 0
        while True:
            before = self.received
            outcome = self._attempt(sink)
            if outcome is not None:
                return outcome
            if self.received > before and resumes < _MAX_RESUMES:
                resumes += 1
            elif not self._turn_to_relay():
                break
        if self._blamed or self._undialled:
            return Outcome(Result.FAILED, Nack.REASON_UNREACHABLE, self._undialled or self._problem)
        return Outcome(Result.FAILED, None, self._problem)

    def _turn_to_relay(self) -> bool:
        """After a direct call in vain: whether the coordinator is to be asked."""
        address = self.announcement.address
        if self.route is Route.RELAY or not self._options.routes.may_relay(address, self._again):
            return False
        self._undialled = self._problem
        self.route = Route.RELAY
        return True

    def drain(self) -> None:
        """Reads to the end of the call: to cancel it would tell the worker that the chunk was not delivered."""
        watchdog = Watchdog(self._timers, self._silent_seconds, self._call.cancel)
        try:
            for _ in self._call:
                pass
        except grpc.RpcError:
            pass
        finally:
            watchdog.stop()

    @property
    def _silent_seconds(self) -> float:
        return SILENT_SECONDS if self.route is Route.DIRECT else RELAY_SILENT_SECONDS

    @property
    def _peer(self) -> str:
        return self.announcement.address if self.route is Route.DIRECT else self._options.transport.target

    def _attempt(self, sink: ChunkSink) -> Outcome | None:
        """One call. None: it was cut, and `_problem` and `_blamed` say how."""
        with self._lock:
            if self._dropped:
                return _DROPPED
            self._silent = False
            self._blamed = self.route is Route.DIRECT
            request = FetchChunkRequest(
                chunk=self._id,
                worker_id=self.announcement.worker_id,
                attempt=self.announcement.attempt,
                offset=self.received,
                process=self._options.process,
                traceparent=self.announcement.traceparent,
            )
            call = self._call = self._begin(request)
        watchdog = Watchdog(self._timers, self._silent_seconds, self._silence)
        try:
            return self._read(call, watchdog, sink)
        except _Damaged as error:
            call.cancel()
            return Outcome(Result.FAILED, Nack.REASON_DAMAGED, str(error))
        except grpc.RpcError as error:
            if self._dropped:
                return _DROPPED
            return self._ended(from_status(error, self._peer))
        finally:
            watchdog.stop()

    def _begin(self, request: FetchChunkRequest) -> Any:
        transport = self._options.transport
        if self.route is Route.RELAY:
            return transport.relay(request)
        return transport.fetch(self.announcement.address, self.announcement.tls_name, request)

    def _ended(self, failure: CropstreamError) -> Outcome | None:
        """A call ended with an error before the chunk was whole."""
        relayed = self.route is Route.RELAY
        if self._silent:
            self._problem = f"no byte from {self._peer} for {self._silent_seconds:g} s"
        elif isinstance(failure, ChunkNotFound):
            return Outcome(Result.FAILED, Nack.REASON_NOT_FOUND, failure.problem)
        elif isinstance(failure, (WorkerBusy, RelayBusy)):
            return Outcome(Result.FAILED, None, failure.problem)
        elif isinstance(failure, (TlsFailed, Unauthenticated)) or (
            # A coordinator that is too old to relay: no use to ask again, unless the relay was only tried.
            isinstance(failure, ProtocolMismatch) and relayed and not self._undialled
        ):
            return Outcome(Result.FAILED, Nack.REASON_UNREACHABLE, failure.problem, failure)
        else:
            self._problem = failure.problem
            # Of a relayed call all else is the coordinator's, and no word on the worker.
            self._blamed = not relayed or isinstance(failure, (WorkerUnreachable, FetchStalled))
        return None

    def _found(self) -> None:
        """This way leads to the worker."""
        routes, address = self._options.routes, self.announcement.address
        if self.route is Route.DIRECT:
            routes.reached(address)
        elif self._undialled:
            routes.unreachable(address, self._undialled)

    def _read(self, call: Any, watchdog: Watchdog, sink: ChunkSink) -> Outcome | None:
        first = True
        for message in call:
            if self._dropped:
                call.cancel()
                return _DROPPED
            try:
                frame = parse_frame(message)
            except ValueError as error:
                raise _Damaged(str(error)) from error
            if first:
                self._found()
                self._take_header(frame.header, sink)
                first = False
            if self._take_data(frame, sink):
                return _HELD
            # What this process took to lay the bytes down is no silence of the worker's.
            watchdog.feed()
        self._problem = "the stream ended early"
        return None

    def _take_header(self, header: ChunkHeader | None, sink: ChunkSink) -> None:
        if header is None:
            if self._header is None:
                raise _Damaged("its first frame has no header")
            return
        if header.chunk != self._id:
            raise _Damaged("it is another chunk")
        if self._header is not None:
            if (header.crc32, header.payload_bytes) != (self._header.crc32, self._header.payload_bytes):
                raise _Damaged("it changed between two calls")
            return
        if header.payload_bytes != self.announcement.bytes:
            raise _Damaged(f"it has {header.payload_bytes} bytes, {self.announcement.bytes} were announced")
        self._header = header
        problem = sink.begin(header)
        if problem is not None:
            raise _Damaged(problem)

    def _take_data(self, frame: Frame, sink: ChunkSink) -> bool:
        """Whether that was all, and right."""
        if frame.offset != self.received:
            raise _Damaged(f"bytes at {frame.offset} came, {self.received} was next")
        if self.received + len(frame.data) > self.announcement.bytes:
            raise _Damaged(f"it has more than its {self.announcement.bytes} bytes")
        self._crc = zlib.crc32(frame.data, self._crc)
        sink.write(frame.data)
        self.received += len(frame.data)
        if self.received < self.announcement.bytes:
            return False
        if self._header is None or self._crc != self._header.crc32:
            raise _Damaged("its checksum is wrong")
        problem = sink.end()
        if problem is not None:
            raise _Damaged(problem)
        return True

    def _silence(self) -> None:
        with self._lock:
            self._silent = True
            self._call.cancel()
