"""What a step waits for, in words: which chunk, since when, who has it."""

from __future__ import annotations

from collections.abc import Sequence

from ..v1.coordinator_pb2 import ChunkWaiting
from .routes import Route
from .slots import Slot, SlotState, positions_of


def describe_wait(slots: Sequence[Slot], waiting: ChunkWaiting | None, now: float) -> str:
    """`slots` of the step awaited; `waiting`: what the coordinator said last; `now` of the monotonic clock."""
    slot = next((slot for slot in slots if slot.state is not SlotState.HELD), None)
    if slot is None:
        return "nothing is missing"
    epoch, first, last = slot.chunk
    text = f"chunk {first}-{last} of epoch {epoch}, wanted for {now - slot.since:.1f} s, "
    text += _holder(slot, waiting, now)
    if slot.failed is not None:
        text += f", after {slot.failures} failed fetches, the last from worker {slot.failed.worker_id}: "
        text += slot.failed.problem
    return text


def _holder(slot: Slot, waiting: ChunkWaiting | None, now: float) -> str:
    if slot.fetch is not None:
        at = slot.fetch.announcement
        through = " through the coordinator" if slot.fetch.route is Route.RELAY else ""
        age = now - slot.fetch.started
        return (
            f"is being fetched from worker {at.worker_id} at {at.address}{through} for {age:.1f} s, "
            f"{slot.fetch.received} of {at.bytes} bytes"
        )
    if slot.next is not None:
        return f"lies ready at worker {slot.next.worker_id} ({slot.next.address})"
    if waiting is None or positions_of(waiting.chunk) != slot.chunk:
        return "was not announced, nor did the coordinator say who has it"
    asked = f"asked for {waiting.seconds:.1f} s ago"
    if waiting.run_paused:
        return f"is not made while the run is paused by its operator ({asked})"
    # Attempts count from 1: none was made while the run's share of the queue is full.
    if waiting.attempt == 0:
        return f"waits for its place in the queue ({asked})"
    if not waiting.worker_id:
        return f"is in the queue (attempt {waiting.attempt}, {asked}): no worker has taken it"
    return f"is being made by worker {waiting.worker_id} (attempt {waiting.attempt}, {asked})"
