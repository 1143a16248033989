"""A coordinator and its workers as a script, on a real port: the other end of a trainer's connections."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, NoReturn

import grpc
from fake_run import FakeRun

from cropstream import CropstreamError
from cropstream._core.schedule import Positions
from cropstream._core.slots import positions_of, to_wire
from cropstream.errors import ChunkNotFound, RelayBusy, RunNotFound, WorkerBusy, WorkerUnreachable
from cropstream.v1 import coordinator_pb2, run_pb2, worker_pb2

Fate = Callable[[Positions, int], str]
"""What befalls the n-th fetch (from 0) of a chunk: ok, cut, damaged, short, not-found, unreachable, silent, other or
busy. Of one through the coordinator, also: gone, or lost after some bytes, where it cannot have the chunk from the
worker; full, where it relays enough; old, where it cannot relay. There `unreachable` is the coordinator."""


class Session:
    """One attach stream."""

    def __init__(self) -> None:
        self.outbox: queue.SimpleQueue[coordinator_pb2.AttachResponse | CropstreamError | None] = queue.SimpleQueue()
        self.attach: coordinator_pb2.Attach | None = None
        self.announced: set[Positions] = set()
        self.open = True


class Fleet:
    """Close it, or use it as a context manager."""

    def __init__(
        self,
        run: FakeRun | None = None,
        fate: Fate = lambda chunk, fetch: "ok",
        relay: Fate = lambda chunk, fetch: "gone",
    ) -> None:
        self.run = run or FakeRun()
        self.fate = fate
        self.relay = relay
        self.knows_run = True
        self.refusal: CropstreamError | None = None
        """Ends every attach."""
        self.announces: Callable[[Positions], bool] = lambda chunk: True
        """False: that chunk is never ready."""
        self.repeats = False
        """Says every announcement twice."""
        self.lock = threading.RLock()
        self.attaches: list[coordinator_pb2.Attach] = []
        self.progress: list[coordinator_pb2.Progress] = []
        self.nacks: list[coordinator_pb2.Nack] = []
        self.opened: list[str] = []
        self.fetches: list[tuple[Positions, int]] = []
        """Each direct fetch's chunk and offset."""
        self.relays: list[tuple[Positions, int]] = []
        """Each relayed one's."""
        self.delivered: list[Positions] = []
        """Fetches that were read to their end."""
        self.sessions: list[Session] = []
        self._attempts: dict[Positions, int] = {}
        self._closing = threading.Event()
        self._servers = [grpc.server(futures.ThreadPoolExecutor(32)) for _ in range(2)]
        handlers = (_coordinator(self), _worker(self))
        self.port, self.worker_port = (
            _serve(server, routes) for server, routes in zip(self._servers, handlers, strict=True)
        )
        self.target = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.set()
        for session in self.sessions:
            session.outbox.put(None)
        for server in self._servers:
            server.stop(0).wait()

    def kill_streams(self, error: CropstreamError | None = None) -> None:
        """Ends every attach stream, as a dying coordinator does, or with an error of its own."""
        with self.lock:
            for session in self.sessions:
                session.open = False
                session.outbox.put(error or CropstreamError.from_parts("", "", {}))
            self.sessions.clear()

    def announce(self, session: Session, chunk: Positions) -> None:
        with self.lock:
            attempt = self._attempts.setdefault(chunk, 1)
        ready = coordinator_pb2.ChunkReady(
            chunk=to_wire(chunk),
            attempt=attempt,
            location=run_pb2.Location(worker_id=f"w{attempt}", address=f"127.0.0.1:{self.worker_port}"),
            bytes=self.run.chunk(chunk)[0].payload_bytes,
        )
        for _ in range(2 if self.repeats else 1):
            session.outbox.put(coordinator_pb2.AttachResponse(ready=ready))

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Until the condition holds. Fails where it does not in that time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come to hold"
            time.sleep(0.005)

    def say_paused(self, chunk: Positions) -> None:
        """Tells every trainer that it waits for this chunk of a paused run."""
        waiting = coordinator_pb2.ChunkWaiting(chunk=to_wire(chunk), run_paused=True)
        with self.lock:
            for session in self.sessions:
                session.outbox.put(coordinator_pb2.AttachResponse(waiting=waiting))

    # The coordinator.

    def open_run(self, request: coordinator_pb2.OpenRunRequest, context: grpc.ServicerContext) -> run_pb2.RunInfo:
        self.opened.append(request.spec_json)
        self.knows_run = True
        return self.run.wire

    def get_run(self, request: coordinator_pb2.GetRunRequest, context: grpc.ServicerContext) -> run_pb2.RunInfo:
        if not self.knows_run or request.name not in ("", self.run.wire.name):
            fail(context, RunNotFound(run=request.name, known="none"))
        return self.run.wire

    def attach(
        self, requests: Iterator[coordinator_pb2.AttachRequest], context: grpc.ServicerContext
    ) -> Iterator[coordinator_pb2.AttachResponse]:
        session = Session()
        threading.Thread(target=self._listen, args=(session, requests), daemon=True).start()
        while (response := session.outbox.get()) is not None:
            if isinstance(response, CropstreamError):
                fail(context, response)
            yield response

    def _listen(self, session: Session, requests: Iterator[coordinator_pb2.AttachRequest]) -> None:
        try:
            for request in requests:
                with self.lock:
                    self._receive(session, request)
        except grpc.RpcError:
            pass
        session.open = False
        session.outbox.put(None)

    def _receive(self, session: Session, request: coordinator_pb2.AttachRequest) -> None:
        kind = request.WhichOneof("message")
        if kind == "attach":
            self.attaches.append(request.attach)
            session.attach = coordinator_pb2.Attach.FromString(request.attach.SerializeToString())
            refusal = self.refusal if self.knows_run else RunNotFound(run=request.attach.run, known="none")
            if refusal is not None:
                session.outbox.put(refusal)
                return
            self.sessions.append(session)
            attached = coordinator_pb2.Attached(run=self.run.wire, fencing=1)
            session.outbox.put(coordinator_pb2.AttachResponse(attached=attached))
            self.progress.append(request.attach.progress)
        elif kind == "progress":
            self.progress.append(request.progress)
            assert session.attach is not None
            session.attach.progress.CopyFrom(request.progress)
        elif kind == "nack":
            self.nacks.append(request.nack)
            chunk = positions_of(request.nack.chunk)
            self._attempts[chunk] = self._attempts.get(chunk, 1) + 1
            session.announced.discard(chunk)
        if session.open:
            self._want(session)

    def _want(self, session: Session) -> None:
        """What the real coordinator does: whole steps as far as the credits go, none of what is held."""
        attach = session.attach
        assert attach is not None
        per_step = max(1, len(self.run.chunks_of(0, attach.rank, attach.world_size)))
        first = attach.progress.next_step
        end = first + attach.progress.credit_chunks // per_step
        held = {positions_of(chunk) for chunk in attach.progress.held}
        for step in range(first, min(end, attach.end_step) if attach.HasField("end_step") else end):
            for chunk in self.run.chunks_of(step, attach.rank, attach.world_size):
                if chunk not in held and chunk not in session.announced and self.announces(chunk):
                    session.announced.add(chunk)
                    self.announce(session, chunk)

    # The workers.

    def fetch_chunk(self, request: worker_pb2.FetchChunkRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        return self._chunk(request, context, self.fate, self.fetches)

    def relay_chunk(self, request: worker_pb2.FetchChunkRequest, context: grpc.ServicerContext) -> Iterator[bytes]:
        assert request.process == self.attaches[-1].process
        return self._chunk(request, context, self.relay, self.relays)

    def _chunk(
        self,
        request: worker_pb2.FetchChunkRequest,
        context: grpc.ServicerContext,
        choose: Fate,
        fetches: list[tuple[Positions, int]],
    ) -> Iterator[bytes]:
        chunk = Positions(request.chunk.epoch, request.chunk.first, request.chunk.last)
        with self.lock:
            number = sum(fetched == chunk for fetched, _ in fetches)
            fetches.append((chunk, request.offset))
        fate = choose(chunk, number)
        gone = WorkerUnreachable(worker=request.worker_id, reason="it is gone")
        if fate == "unreachable":
            context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        if fate == "not-found":
            fail(context, ChunkNotFound(chunk=str(chunk)))
        if fate == "busy":
            fail(context, WorkerBusy(streams=9, limit=9))
        if fate == "gone":
            fail(context, gone)
        if fate == "full":
            fail(context, RelayBusy(streams=9, waiting=9))
        if fate == "old":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "the server does not implement it")
        if fate == "silent":
            self._closing.wait(20)
            return
        header, payload = self.run.chunk(chunk._replace(epoch=chunk.epoch + 1) if fate == "other" else chunk)
        data = bytearray(payload)
        if fate == "damaged":
            data[len(data) // 2] ^= 0x10
        size = -(-(len(data) - request.offset) // 3)
        for piece, at in enumerate(range(request.offset, len(data), size)):
            if piece == 2 and fate == "cut":
                context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
            if piece == 2 and fate == "lost":
                fail(context, gone)
            if piece == 2 and fate == "short":
                return
            frame = worker_pb2.Frame(offset=at, data=bytes(data[at : at + size]))
            if piece == 0:
                frame.header.CopyFrom(header)
            yield frame.SerializeToString()
        with self.lock:
            self.delivered.append(chunk)


def fail(context: grpc.ServicerContext, error: CropstreamError) -> NoReturn:
    """Ends a call as services do."""
    wire = {"code": error.code, "problem": error.problem, "help": error.help, "details": error.details}
    if error.problem:
        context.set_trailing_metadata((("cropstream-error-bin", json.dumps(wire).encode()),))
    context.abort(grpc.StatusCode.UNAVAILABLE, error.problem or "the coordinator died")
    raise AssertionError("abort raises")


def _coordinator(fleet: Fleet) -> dict[str, Any]:
    messages = coordinator_pb2
    return {
        "/cropstream.v1.Coordinator/OpenRun": grpc.unary_unary_rpc_method_handler(
            fleet.open_run, messages.OpenRunRequest.FromString, run_pb2.RunInfo.SerializeToString
        ),
        "/cropstream.v1.Coordinator/GetRun": grpc.unary_unary_rpc_method_handler(
            fleet.get_run, messages.GetRunRequest.FromString, run_pb2.RunInfo.SerializeToString
        ),
        "/cropstream.v1.Coordinator/Attach": grpc.stream_stream_rpc_method_handler(
            fleet.attach, messages.AttachRequest.FromString, messages.AttachResponse.SerializeToString
        ),
        "/cropstream.v1.Worker/FetchChunk": grpc.unary_stream_rpc_method_handler(
            fleet.relay_chunk, worker_pb2.FetchChunkRequest.FromString
        ),
    }


def _worker(fleet: Fleet) -> dict[str, Any]:
    return {
        "/cropstream.v1.Worker/FetchChunk": grpc.unary_stream_rpc_method_handler(
            fleet.fetch_chunk, worker_pb2.FetchChunkRequest.FromString
        ),
    }


def _serve(server: grpc.Server, routes: dict[str, Any]) -> int:
    """Its port."""

    class Routes(grpc.GenericRpcHandler):
        def service(self, call: grpc.HandlerCallDetails) -> Any:
            return routes.get(call.method)

    server.add_generic_rpc_handlers((Routes(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return port
