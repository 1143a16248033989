"""Calls over gRPC: one channel to the coordinator, one more for what it relays, one to each worker while it is used."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc

from ..errors import Cancelled
from ..v1 import coordinator_pb2, run_pb2, worker_pb2
from . import process
from .run import PROTOCOL_VERSION
from .security import Renewed, Security
from .status import from_status

_MIB = 1 << 20

GET_RUN_SECONDS = 10.0
"""A coordinator answers from memory."""
OPEN_RUN_SECONDS = 30 * 60.0
"""Opening a run may index its dataset first: millions of files on slow storage."""
_IDLE_SECONDS = 30.0
"""A channel to a worker that was not asked for so long is closed."""
_LINGER_SECONDS = 1.0
"""A stream that we ended is cut when the peer has not ended it by then."""

OPTIONS: list[tuple[str, int | str]] = [
    # Bytes in flight a stream, from the first: gRPC's own estimate begins at 64 KiB.
    ("grpc.http2.lookahead_bytes", 8 * _MIB),
    # RunInfo has the spec and all class names.
    ("grpc.max_receive_message_length", 32 * _MIB),
    # A peer that vanished without closing is noticed within ten seconds.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A service that restarts is met again soon; the default backs off to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Callers know what may be tried again and when; a retry below them would hide a dead peer.
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    # `http_proxy` of a cluster's containers is for the web, not for gigabytes a second between its pods.
    ("grpc.enable_http_proxy", 0),
    # A loader that closes takes its connections with it, whoever else is connected to the same address.
    ("grpc.use_local_subchannel_pool", 1),
]

_COORDINATOR = "/cropstream.v1.Coordinator/"
_FETCH_CHUNK = "/cropstream.v1.Worker/FetchChunk"


class _Coordinator:
    """A channel to the coordinator, and its calls."""

    def __init__(self, target: str, security: Security) -> None:
        self.security = security
        self.channel = security.channel(target, OPTIONS, security.server_name)
        self.open_run = self.channel.unary_unary(
            _COORDINATOR + "OpenRun",
            request_serializer=coordinator_pb2.OpenRunRequest.SerializeToString,
            response_deserializer=run_pb2.RunInfo.FromString,
        )
        self.get_run = self.channel.unary_unary(
            _COORDINATOR + "GetRun",
            request_serializer=coordinator_pb2.GetRunRequest.SerializeToString,
            response_deserializer=run_pb2.RunInfo.FromString,
        )
        self.attach = self.channel.stream_stream(
            _COORDINATOR + "Attach",
            request_serializer=coordinator_pb2.AttachRequest.SerializeToString,
            response_deserializer=coordinator_pb2.AttachResponse.FromString,
        )


class _WorkerChannel:
    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.fetch_chunk: Any = self.channel.unary_stream(
            _FETCH_CHUNK,
            request_serializer=worker_pb2.FetchChunkRequest.SerializeToString,
            # Frames are parsed by hand, without a copy.
            response_deserializer=None,
        )
        self.calls = 0
        self.idle_since = time.monotonic()


class Transport:
    """`target` is the coordinator's `host:port`. Made and used in one process (see `process`)."""

    def __init__(self, target: str, security: Security) -> None:
        self.target = target
        self._renewed = Renewed(security)
        self._server_name = security.server_name or ""
        process.begin_grpc()
        self._lock = threading.Lock()
        self._workers: dict[tuple[str, str, Security], _WorkerChannel] = {}
        """By address, the name to verify it by, and what with: the connections of what was replaced are left to end."""
        self._streams: set[Any] = set()
        self._closed = False
        self._coordinator = _Coordinator(target, security)

    def open_run(self, spec_json: str) -> run_pb2.RunInfo:
        """Opens a run from its spec. Raises CropstreamError."""
        request = coordinator_pb2.OpenRunRequest(protocol_version=PROTOCOL_VERSION, spec_json=spec_json)
        try:
            coordinator = self._reach()
            return coordinator.open_run(request, timeout=OPEN_RUN_SECONDS, metadata=coordinator.security.metadata)
        except grpc.RpcError as error:
            raise from_status(error, self.target) from error

    def get_run(self, name: str) -> run_pb2.RunInfo:
        """The run of that name; the only open one for an empty name. Raises CropstreamError."""
        request = coordinator_pb2.GetRunRequest(protocol_version=PROTOCOL_VERSION, name=name)
        try:
            coordinator = self._reach()
            return coordinator.get_run(request, timeout=GET_RUN_SECONDS, metadata=coordinator.security.metadata)
        except grpc.RpcError as error:
            raise from_status(error, self.target) from error

    def attach(self, requests: Iterator[coordinator_pb2.AttachRequest]) -> Any:
        """The stream's call: an iterator of responses. It half-closes when `requests` ends."""
        coordinator = self._reach()
        call = coordinator.attach(requests, metadata=coordinator.security.metadata)
        with self._lock:
            self._streams.add(call)
        call.add_callback(lambda: self._forget(call))
        return call

    def fetch(self, address: str, tls_name: str, request: worker_pb2.FetchChunkRequest) -> Any:
        """The call: an iterator of frames as bytes."""
        with self._lock:
            if self._closed:
                raise Cancelled(what="the loader")
            security = self._renewed.current()
            worker = self._workers.get((address, tls_name, security))
            if worker is None:
                channel = security.channel(address, OPTIONS, tls_name)
                worker = self._workers[address, tls_name, security] = _WorkerChannel(channel)
            worker.calls += 1
        call = worker.fetch_chunk(request, metadata=security.metadata)
        call.add_callback(lambda: self._leave(worker))
        return call

    def relay(self, request: worker_pb2.FetchChunkRequest) -> Any:
        """The same through the coordinator, which finds the worker by its id: over a connection of its own, so that what the
        coordinator says does not wait behind megabytes."""
        return self.fetch(self.target, self._server_name, request)

    def close_idle(self) -> None:
        """Closes the channels of workers that were not asked for a while."""
        now = time.monotonic()
        with self._lock:
            idle = [
                key
                for key, worker in self._workers.items()
                if worker.calls <= 0 and now - worker.idle_since > _IDLE_SECONDS
            ]
            closing = [self._workers.pop(key) for key in idle]
        for worker in closing:
            worker.channel.close()

    def close(self) -> None:
        """Cancels what is under way; streams that were half-closed have a second to end in order."""
        deadline = time.monotonic() + _LINGER_SECONDS
        while time.monotonic() < deadline:
            with self._lock:
                if not self._streams:
                    break
            time.sleep(0.005)
        with self._lock:
            self._closed = True
            workers = list(self._workers.values())
            self._workers.clear()
        for worker in workers:
            worker.channel.close()
        self._coordinator.channel.close()

    def _reach(self) -> _Coordinator:
        """The coordinator, over a new connection where certificates or the token were replaced: no stream is open when it is
        asked for."""
        with self._lock:
            before, security = self._coordinator, self._renewed.current()
            if security is before.security or self._closed:
                return before
            self._coordinator = _Coordinator(self.target, security)
        before.channel.close()
        return self._coordinator

    def _forget(self, call: Any) -> None:
        with self._lock:
            self._streams.discard(call)

    def _leave(self, worker: _WorkerChannel) -> None:
        with self._lock:
            worker.calls -= 1
            worker.idle_since = time.monotonic()
