"""The window's chunks: fetched at once when announced, those of the earliest steps first, by a few threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..batch import Batch
from ..errors import Internal
from ..v1.coordinator_pb2 import ChunkRange, Nack
from .arrays import Framework
from .assembly import BatchBuilder, Selection
from .backoff import Backoff
from .error import CropstreamError
from .fetch import ChunkFetch, FetchOptions, Outcome, Result
from .routes import Routes
from .run import RunInfo
from .schedule import Positions
from .slots import Announcement, Failure, Slot, SlotState, StepSlots, to_wire
from .timers import Timers
from .transport import Transport
from .window import StepWindow

MAX_FETCHES = 4
"""Chunks fetched at once: enough to keep the wire busy over several workers, and the next step still comes first."""
_RETRY = Backoff(0.1, 1.0)
"""How long a worker that failed is left alone with the same chunk."""
_MAX_EARLY = 4096
"""Announcements kept for steps beyond the window, should a coordinator see it wider than we do."""


@dataclass(frozen=True)
class FetcherOptions:
    transport: Transport
    timers: Timers
    run: RunInfo
    window: StepWindow
    selection: Selection
    framework: Framework
    routes: Routes
    process: str
    """The trainer's, as in its Attach."""


@dataclass(frozen=True)
class FetcherEvents:
    """Called with the lock held."""

    settled: Callable[[], None]
    """A chunk arrived, or could not be had."""
    nack: Callable[[Nack], None]
    fatal: Callable[[CropstreamError], None]
    """This process cannot go on: it has no memory, or no worker lets it in."""


class Fetcher:
    """Every method is called with `lock` held."""

    def __init__(self, options: FetcherOptions, lock: threading.RLock, events: FetcherEvents) -> None:
        self._options = options
        self._fetching = FetchOptions(
            options.transport, options.timers, options.routes, options.run.digest, options.process
        )
        self._events = events
        self._work = threading.Condition(lock)
        self._steps: dict[int, StepSlots] = {}
        self._slots: dict[Positions, Slot] = {}
        self._early: dict[Positions, Announcement] = {}
        self._closed = False
        self._threads = [
            threading.Thread(target=self._loop, name=f"cropstream-fetch-{index}", daemon=True)
            for index in range(MAX_FETCHES)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def held_bytes(self) -> int:
        """Of the tensors that are held or being filled."""
        return sum(entry.builder.bytes for entry in self._steps.values())

    def move(self, next_step: int, end: int) -> None:
        """Sets the window to begin at `next_step`, cut at `end`: steps outside are dropped, steps inside stay as they
        are."""
        last = min(next_step + self._options.window.steps, end)
        for step in [step for step in self._steps if not next_step <= step < last]:
            self._drop(step)
        for step in range(next_step, last):
            self._add(step)
        self._forget_early(next_step)
        self._work.notify_all()

    def announce(self, chunk: Positions, announcement: Announcement) -> None:
        slot = self._slots.get(chunk)
        if slot is None:
            if len(self._early) < _MAX_EARLY:
                self._early[chunk] = announcement
            return
        if slot.state is SlotState.HELD:
            return
        if slot.fetch is not None and slot.fetch.announcement.is_same(announcement):
            return
        slot.next = announcement
        if slot.state is SlotState.AWAITED:
            slot.state = SlotState.ANNOUNCED
        self._work.notify()

    def held(self) -> list[ChunkRange]:
        """The chunks held, for the coordinator."""
        return [to_wire(slot.chunk) for slot in self._slots.values() if slot.state is SlotState.HELD]

    def slots_of(self, step: int) -> list[Slot]:
        entry = self._steps.get(step)
        return [] if entry is None else entry.slots

    def complete(self, step: int) -> bool:
        """Whether every row of the step is there."""
        return step in self._steps and all(slot.state is SlotState.HELD for slot in self._steps[step].slots)

    def underway(self, step: int) -> bool:
        """Whether every chunk of the step is there, on its way, or known where to be had."""
        return step in self._steps and all(slot.state is not SlotState.AWAITED for slot in self._steps[step].slots)

    def take(self, step: int) -> Batch:
        """Hands a complete step over."""
        entry = self._steps[step]
        self._forget(entry)
        return entry.builder.finish()

    def close(self) -> None:
        """Lets go of all, and ends the threads."""
        self._closed = True
        for step in list(self._steps):
            self._drop(step)
        self._work.notify_all()

    def join(self, seconds: float) -> None:
        """Without the lock: waits for the threads to end."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _add(self, step: int) -> None:
        if step in self._steps:
            return
        window = self._options.window
        rows = window.rows_of(step)
        now = time.monotonic()
        slots = []
        for chunk in window.chunks_of(step):
            slot = Slot(chunk, chunk.first - rows.first, now, next=self._early.pop(chunk, None))
            if slot.next is not None:
                slot.state = SlotState.ANNOUNCED
            slots.append(slot)
            self._slots[chunk] = slot
        # Allocated here, in the trainer's own thread: glibc keeps an arena for each thread that allocates, and batches
        # from four fetching threads took twice the memory.
        builder = BatchBuilder(
            self._options.run,
            self._options.selection,
            self._options.framework,
            step,
            window.locate(step),
            rows.last - rows.first,
        )
        self._steps[step] = StepSlots(step, slots, builder)

    def _drop(self, step: int) -> None:
        entry = self._steps[step]
        for slot in entry.slots:
            if slot.fetch is not None:
                slot.fetch.cancel()
        self._forget(entry)

    def _forget(self, entry: StepSlots) -> None:
        del self._steps[entry.step]
        for slot in entry.slots:
            del self._slots[slot.chunk]

    def _forget_early(self, next_step: int) -> None:
        """Announcements that came for steps beyond the window and are behind it by now."""
        if not self._early:
            return
        epoch = self._options.window.locate(next_step).epoch
        first = self._options.window.rows_of(next_step).first
        for chunk in [chunk for chunk in self._early if (chunk.epoch, chunk.first) < (epoch, first)]:
            del self._early[chunk]

    # What the threads do.

    def _loop(self) -> None:
        while (work := self._next()) is not None:
            entry, slot, announcement, fetch = work
            try:
                rows = slot.chunk.last - slot.chunk.first
                outcome = fetch.run(entry.builder.sink(slot.row, rows))
            except Exception as error:
                with self._work:
                    self._events.fatal(Internal(reason=f"a chunk could not be laid down: {error!r}"))
                return
            with self._work:
                self._done(slot, announcement, outcome)
            if outcome.result is Result.HELD:
                fetch.drain()
            del entry, slot, fetch, work

    def _next(self) -> tuple[StepSlots, Slot, Announcement, ChunkFetch] | None:
        """What to fetch: waits for it. None: nothing any more."""
        with self._work:
            while not self._closed:
                now = time.monotonic()
                soonest: float | None = None
                for _, entry in sorted(self._steps.items()):
                    for slot in entry.slots:
                        if slot.state is not SlotState.ANNOUNCED or slot.next is None:
                            continue
                        if slot.due > now:
                            soonest = slot.due if soonest is None else min(soonest, slot.due)
                            continue
                        announcement, slot.next = slot.next, None
                        slot.state = SlotState.FETCHING
                        again = slot.failed is not None and slot.failed.worker_id == announcement.worker_id
                        slot.fetch = ChunkFetch(self._fetching, slot.chunk, announcement, again)
                        return entry, slot, announcement, slot.fetch
                self._work.wait(None if soonest is None else soonest - now)
            return None

    def _done(self, slot: Slot, announcement: Announcement, outcome: Outcome) -> None:
        slot.fetch = None
        if outcome.result is Result.DROPPED or self._slots.get(slot.chunk) is not slot:
            return
        if outcome.result is Result.HELD:
            slot.state = SlotState.HELD
            slot.next = None
        else:
            slot.failed = Failure(announcement.worker_id, outcome.problem)
            slot.not_before = time.monotonic() + _RETRY.seconds(slot.failures)
            slot.failures += 1
            if outcome.reason is None and slot.next is None:
                slot.next = announcement
            slot.state = SlotState.AWAITED if slot.next is None else SlotState.ANNOUNCED
            if outcome.reason is not None:
                self._events.nack(
                    Nack(
                        chunk=to_wire(slot.chunk),
                        attempt=announcement.attempt,
                        worker_id=announcement.worker_id,
                        reason=outcome.reason,
                    )
                )
            if outcome.refused is not None:
                self._events.fatal(outcome.refused)
        self._work.notify_all()
        self._events.settled()
