"""One rank's batches, each once, in the order of the global step, whatever arrives when."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..batch import Batch
from ..errors import Cancelled, FingerprintMismatch, StateMismatch, StreamStalled, Superseded, Unreachable
from ..v1 import run_pb2
from ..v1.coordinator_pb2 import Attach, Attached, AttachRequest, ChunkReady, ChunkWaiting, Progress
from . import process
from .arrays import Framework
from .assembly import Selection
from .attachment import Attachment, State
from .connection import tried_for
from .error import CropstreamError
from .fetcher import Fetcher, FetcherEvents, FetcherOptions
from .routes import Routes
from .run import PROTOCOL_VERSION, RunInfo
from .schedule import MAX_SAFE_INTEGER
from .slots import Announcement, positions_of
from .stall import describe_wait
from .timers import LATE, Timers
from .transport import Transport
from .window import Prefetch, StepWindow

_SLICE = 1.0
"""Seconds that a wait lasts before it looks at the clock: what it overslept, this process was held."""
_IDLE_CHECK_SECONDS = 10.0
_JOIN_SECONDS = 2.0


@dataclass(frozen=True)
class Identity:
    """Who draws, as the coordinator is told."""

    rank: int
    world_size: int
    consumer: str
    """The job id that the ranks of one training job share."""
    process: str
    """Fresh for each loader: its own reconnect is no second attachment."""
    host: str
    takeover: bool
    """Ends a live attachment of the same rank, at the first attach."""
    allow_uneven: bool


@dataclass(frozen=True)
class StreamOptions:
    transport: Transport
    run: RunInfo
    identity: Identity
    start_step: int
    end_step: int | None
    """Exclusive; None: for ever."""
    prefetch: Prefetch
    selection: Selection
    framework: Framework
    routes: Routes
    timeout: float
    """Seconds: the longest wait for one batch."""


class BatchStream:
    """Holds at most its window of steps; a step is acknowledged when its batch is yielded. Every public method may be
    called from any thread of the process that made it.

    Raises WindowTooSmall, RankOutOfRange, NoFullStep.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._owner = os.getpid()
        self._window = StepWindow(options.run, options.identity.rank, options.identity.world_size, options.prefetch)
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._timers = Timers("cropstream-timers")
        self._next_step = options.start_step
        self._told_step = -1
        """The step that the coordinator was told last, by an attach or since."""
        self._takeover = options.identity.takeover
        self._fatal: CropstreamError | None = None
        self._waiting: ChunkWaiting | None = None
        self._pauses_heard = 0
        self._agreed = False
        self._opened_at = time.monotonic()
        self._waits: list[float] = []
        """When the waits under way began."""
        self._waited = 0.0
        self._closed = False
        fetcher_options = FetcherOptions(
            options.transport,
            self._timers,
            options.run,
            self._window,
            options.selection,
            options.framework,
            options.routes,
            options.identity.process,
        )
        events = FetcherEvents(
            settled=self._arrived.notify_all,
            nack=lambda nack: self._attachment.send(AttachRequest(nack=nack)),
            fatal=self.fatal,
        )
        self._fetcher = Fetcher(fetcher_options, self._lock, events)
        self._attachment = Attachment(options.transport, self._timers, self._lock, self)
        process.keep_alive(self)
        self._timers.after(_IDLE_CHECK_SECONDS, self._close_idle)

    @property
    def next_step(self) -> int:
        """The step of the batch that comes next: all before it were yielded."""
        return self._next_step

    @property
    def held_bytes(self) -> int:
        """Bytes of the tensors that are held or being filled."""
        with self._lock:
            return self._fetcher.held_bytes

    @property
    def credit_bytes(self) -> int:
        """Bytes of views that may be held."""
        return self._window.credit_bytes

    def start(self, limit: float) -> None:
        """Attaches; returns once a coordinator agreed. Raises what it said, or Unreachable after `limit` seconds."""
        with self._lock:
            if self._finished:
                return
            self._attend()
            for left in _slices(limit):
                if self._fatal is not None:
                    raise self._fatal.with_traceback(None)
                if self._agreed:
                    return
                self._arrived.wait(left)
            reason = f"no answer for {limit:g} s"
            trouble = self._attachment.trouble
            if trouble is not None:
                raise tried_for(trouble, limit).with_traceback(None)
            raise Unreachable(target=self._options.transport.target, reason=reason)

    def next(self) -> Batch | None:
        """The next batch; None once the end step is reached.

        Raises StreamStalled or Unreachable after the timeout: the stream itself goes on, and a later call may have more
        luck. LoaderForked in a fork of the process that made the stream. And what ended the stream.
        """
        process.check_owner(self._owner)
        with self._lock, self._counted():
            for left in _slices(self._options.timeout, lambda: self._pauses_heard):
                if isinstance(self._fatal, (Superseded, Cancelled)):
                    # At once, though batches may be there: another process draws them now, or nobody wants them.
                    raise self._fatal.with_traceback(None)
                if self._finished:
                    return None
                if self._fetcher.complete(self._next_step):
                    return self._take()
                if self._fatal is not None and not self._fetcher.underway(self._next_step):
                    raise self._fatal.with_traceback(None)
                self._arrived.wait(left)
            raise self._stalled()

    def seek(self, step: int) -> None:
        """Goes to another step: what is held of the new window stays, the rest is dropped."""
        process.check_owner(self._owner)
        with self._lock:
            if step == self._next_step:
                return
            self._next_step = step
            if self._fatal is None:
                self._attend(again=True)
            self._arrived.notify_all()

    def close(self) -> None:
        """Detaches and lets go of what is held; who waits gets Cancelled. In a fork it does nothing."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.fatal(Cancelled(what="the loader"))
            self._attachment.stop()
            self._fetcher.close()
        self._options.transport.close()
        self._fetcher.join(_JOIN_SECONDS)
        self._timers.close()
        process.let_go(self)

    @property
    def _end(self) -> int:
        return MAX_SAFE_INTEGER if self._options.end_step is None else self._options.end_step

    @property
    def _finished(self) -> bool:
        return self._next_step >= self._end

    def _attend(self, again: bool = False) -> None:
        """Attached exactly while there is something to want."""
        self._fetcher.move(self._next_step, self._end)
        if self._finished:
            self._attachment.stop()
        elif again:
            self._attachment.restart()
        else:
            self._attachment.start()

    def _take(self) -> Batch:
        batch = self._fetcher.take(self._next_step)
        self._next_step += 1
        if self._fatal is None:
            if self._attachment.state is State.ATTACHED:
                self._tell()
            self._attend()
        return batch

    def _tell(self) -> None:
        self._attachment.send(AttachRequest(progress=self._progress()))

    def _progress(self) -> Progress:
        now = time.monotonic()
        self._told_step = self._next_step
        return Progress(
            next_step=self._next_step,
            credit_chunks=self._window.credit_chunks,
            credit_bytes=self._window.credit_bytes,
            held=self._fetcher.held(),
            waited_seconds=self._waited + (now - self._waits[0] if self._waits else 0.0),
            elapsed_seconds=now - self._opened_at,
        )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts a wait for data, once however many threads wait."""
        began = time.monotonic()
        self._waits.append(began)
        try:
            yield
        finally:
            self._waits.remove(began)
            if not self._waits:
                self._waited += time.monotonic() - began

    def _stalled(self) -> CropstreamError:
        attachment = self._attachment
        if attachment.state is not State.ATTACHED and attachment.trouble is not None:
            return tried_for(attachment.trouble, self._options.timeout).with_traceback(None)
        slots = self._fetcher.slots_of(self._next_step)
        return StreamStalled(
            rank=self._options.identity.rank,
            seconds=self._options.timeout,
            step=self._next_step,
            waiting=describe_wait(slots, self._waiting, time.monotonic()),
        )

    def _difference(self, digest: str, fingerprint: str) -> CropstreamError | None:
        """A run opened again must be the same: same samples, same pixels."""
        run = self._options.run
        if digest != run.digest:
            return StateMismatch(field="run_digest", saved=run.digest, current=digest)
        if fingerprint != run.fingerprint:
            return FingerprintMismatch(given=run.fingerprint, expected=fingerprint)
        return None

    def _close_idle(self) -> None:
        self._options.transport.close_idle()
        self._timers.after(_IDLE_CHECK_SECONDS, self._close_idle)

    # What the attachment tells; with the lock held, but `reopen`.

    def describe(self) -> Attach:
        run, identity = self._options.run, self._options.identity
        return Attach(
            protocol_version=PROTOCOL_VERSION,
            run=run.name,
            run_digest=run.digest,
            consumer=identity.consumer,
            rank=identity.rank,
            world_size=identity.world_size,
            takeover=self._takeover,
            allow_uneven=identity.allow_uneven,
            process=identity.process,
            host=identity.host,
            pid=self._owner,
            end_step=self._options.end_step,
            progress=self._progress(),
        )

    def attached(self, attached: Attached) -> None:
        # A later attach of ours must not throw out whoever took over meanwhile.
        self._takeover = False
        problem = self._difference(attached.run.digest, attached.run.fingerprint)
        if problem is not None:
            self.fatal(problem)
            return
        # Yielded while the coordinator had not answered yet: without this it would keep to a window that is past.
        if self._told_step != self._next_step:
            self._tell()
        self._agreed = True
        self._arrived.notify_all()

    def ready(self, ready: ChunkReady) -> None:
        location = ready.location
        announcement = Announcement(
            ready.attempt,
            location.worker_id,
            location.address,
            location.tls_name,
            ready.bytes,
            ready.traceparent if ready.HasField("traceparent") else None,
        )
        self._fetcher.announce(positions_of(ready.chunk), announcement)

    def waiting(self, waiting: ChunkWaiting) -> None:
        self._waiting = waiting
        if waiting.run_paused:
            # Somebody wants it so: the time for the batch begins when the run goes on.
            self._pauses_heard += 1

    def reopen(self) -> None:
        found: run_pb2.RunInfo = self._options.transport.open_run(self._options.run.spec_json)
        problem = self._difference(found.digest, found.fingerprint)
        if problem is not None:
            raise problem

    def fatal(self, error: CropstreamError) -> None:
        """Nothing new is announced any more; what was, is still fetched and yielded, unless the error forbids it."""
        if self._fatal is None:
            self._fatal = error
            self._attachment.stop()
            self._arrived.notify_all()


def _slices(seconds: float, reprieves: Callable[[], int] = lambda: 0) -> Iterator[float]:
    """Waits that make up `seconds`, not counting time in which this process was held, from the last of `reprieves` on."""
    left, seen = seconds, reprieves()
    while left > 0:
        slice = min(left, _SLICE)
        began = time.monotonic()
        yield slice
        left -= min(time.monotonic() - began, slice + LATE)
        if reprieves() != seen:
            left, seen = seconds, reprieves()
