"""One stream to a coordinator, kept alive: attached with full state, and again, after a growing wait, when it ends."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from enum import Enum
from typing import Any, Protocol

import grpc

from ..errors import Cancelled, Internal, RunNotFound, Unreachable
from ..v1.coordinator_pb2 import Attach, Attached, AttachRequest, AttachResponse, ChunkReady, ChunkWaiting
from .backoff import Backoff
from .error import CropstreamError
from .status import from_status
from .timers import Timer, Timers, Watchdog
from .transport import Transport

_BACKOFF = Backoff(0.1, 2.0)
_ANSWER_SECONDS = 10.0
"""A coordinator that accepts the stream and says nothing for so long is given up for another try."""
_GOOD_SECONDS = 5.0
"""A stream that lived so long was a good one: the next wait begins small again."""
_MAX_DEFECTS = 3
"""Defects of a coordinator in a row that may be passing ones."""
_LINGER_SECONDS = 1.0
"""A stream that we left is cut when the coordinator has not ended it by then."""


class AttachmentEvents(Protocol):
    """All are called with the stream's lock held, but `reopen`."""

    def describe(self) -> Attach:
        """Who attaches, with full state as of now."""

    def attached(self, attached: Attached) -> None: ...

    def ready(self, ready: ChunkReady) -> None: ...

    def waiting(self, waiting: ChunkWaiting) -> None: ...

    def reopen(self) -> None:
        """Opens the run again from its spec, as a coordinator that lost it asks for. Raises CropstreamError."""

    def fatal(self, error: CropstreamError) -> None:
        """No further try can help."""


class State(Enum):
    STOPPED = "stopped"
    """Not wanted, or ended by an error that no further try can help."""
    CONNECTING = "connecting"
    """A stream is open, the coordinator has not answered yet."""
    ATTACHED = "attached"
    """The coordinator knows our state."""
    BACKOFF = "backoff"
    """The last stream ended; another is opened after a while."""


class _Stream:
    """The messages to send, and the call they go to."""

    def __init__(self, transport: Transport) -> None:
        self._outbox: queue.SimpleQueue[AttachRequest | None] = queue.SimpleQueue()
        self.call: Any = transport.attach(self._requests())

    def send(self, message: AttachRequest) -> None:
        self._outbox.put(message)

    def half_close(self) -> None:
        self._outbox.put(None)

    def _requests(self) -> Iterator[AttachRequest]:
        yield from iter(self._outbox.get, None)


class Attachment:
    """For how long it tries is not decided here but by whoever waits for a batch. Every method is called with `lock`
    held."""

    def __init__(self, transport: Transport, timers: Timers, lock: threading.RLock, events: AttachmentEvents) -> None:
        self._transport = transport
        self._timers = timers
        self._lock = lock
        self._events = events
        self.state = State.STOPPED
        self.trouble: CropstreamError | None = None
        """Why the last stream ended; None while attached."""
        self._stream: _Stream | None = None
        self._generation = 0
        self._tries = 0
        self._defects = 0
        self._attached_at = 0.0
        self._retry: Timer | None = None
        self._watchdog: Watchdog | None = None

    def start(self) -> None:
        if self.state is State.STOPPED:
            self._connect()

    def send(self, message: AttachRequest) -> None:
        """Tells the coordinator, if one listens; else the next attach says all."""
        if self.state is State.ATTACHED and self._stream is not None:
            self._stream.send(message)

    def restart(self) -> None:
        """Begins again with the state as it is now."""
        self.stop()
        self._connect()

    def stop(self) -> None:
        self._leave(State.STOPPED)
        self._close_stream()

    def _leave(self, state: State) -> None:
        self._generation += 1
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._retry is not None:
            self._retry.cancel()
        self.state = state

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.half_close()
            self._timers.after(_LINGER_SECONDS, stream.call.cancel)

    def _connect(self) -> None:
        self._leave(State.CONNECTING)
        generation = self._generation
        stream = self._stream = _Stream(self._transport)
        stream.send(AttachRequest(attach=self._events.describe()))
        self._watchdog = Watchdog(self._timers, _ANSWER_SECONDS, lambda: self._give_up(generation))
        threading.Thread(target=self._read, args=(stream, generation), name="cropstream-attach", daemon=True).start()

    def _give_up(self, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._close_stream()
            reason = f"no answer for {_ANSWER_SECONDS:g} s"
            self._ended(Unreachable(target=self._transport.target, reason=reason))

    def _read(self, stream: _Stream, generation: int) -> None:
        error: CropstreamError | None = None
        try:
            for response in stream.call:
                with self._lock:
                    if generation == self._generation:
                        self._receive(response)
        except grpc.RpcError as status:
            error = from_status(status, self._transport.target)
        finally:
            stream.half_close()
        with self._lock:
            if generation == self._generation:
                self._ended(error)

    def _receive(self, response: AttachResponse) -> None:
        kind = response.WhichOneof("message")
        if kind == "attached":
            if self._watchdog is not None:
                self._watchdog.stop()
            self.state = State.ATTACHED
            self.trouble = None
            self._attached_at = time.monotonic()
            self._events.attached(response.attached)
        elif kind == "ready":
            self._events.ready(response.ready)
        elif kind == "waiting":
            self._events.waiting(response.waiting)

    def _ended(self, error: CropstreamError | None) -> None:
        if self.state is State.ATTACHED and time.monotonic() - self._attached_at >= _GOOD_SECONDS:
            self._tries = 0
            self._defects = 0
        self._stream = None
        self._leave(State.BACKOFF)
        reason = "the coordinator ended the stream"
        self.trouble = error or Unreachable(target=self._transport.target, reason=reason)
        if isinstance(error, RunNotFound):
            self._reopen()
        elif self._may_pass(error):
            self._connect_later()
        else:
            self._fail(self.trouble)

    def _may_pass(self, error: CropstreamError | None) -> bool:
        """Whether the error may be gone by the next try."""
        if isinstance(error, Internal):
            self._defects += 1
            return self._defects < _MAX_DEFECTS
        # It is not we who cancelled: a proxy or a coordinator on its way out did.
        return error is None or error.retryable or isinstance(error, Cancelled)

    def _connect_later(self) -> None:
        generation = self._generation

        def connect() -> None:
            with self._lock:
                if generation == self._generation:
                    self._connect()

        self._retry = self._timers.after(_BACKOFF.seconds(self._tries), connect)
        self._tries += 1

    def _reopen(self) -> None:
        generation = self._generation

        def reopen() -> None:
            problem: CropstreamError | None = None
            try:
                self._events.reopen()
            except CropstreamError as error:
                problem = error
            with self._lock:
                if generation != self._generation:
                    return
                if problem is None or self._may_pass(problem):
                    self.trouble = problem or self.trouble
                    self._connect_later()
                else:
                    self._fail(problem)

        threading.Thread(target=reopen, name="cropstream-reopen", daemon=True).start()

    def _fail(self, error: CropstreamError) -> None:
        self._leave(State.STOPPED)
        self._events.fatal(error)
