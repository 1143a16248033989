"""The window's pieces: which chunk is announced, fetched, held."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ..v1.coordinator_pb2 import ChunkRange
from .assembly import BatchBuilder
from .schedule import Positions

if TYPE_CHECKING:
    from .fetch import ChunkFetch


class Announcement(NamedTuple):
    """Where a chunk lies, as the coordinator announced it."""

    attempt: int
    worker_id: str
    address: str
    tls_name: str
    """The name to verify the worker's certificate by; empty: the host of its address."""
    bytes: int
    """Of the payload."""
    traceparent: str | None = None
    """W3C trace context of its batch."""

    def is_same(self, other: Announcement) -> bool:
        return (self.attempt, self.worker_id) == (other.attempt, other.worker_id)


class SlotState(Enum):
    AWAITED = "awaited"
    """Not announced, or not to be had where it was."""
    ANNOUNCED = "announced"
    """To be fetched as soon as there is a place."""
    FETCHING = "fetching"
    HELD = "held"
    """Its rows are in the batch, checked."""


class Failure(NamedTuple):
    """The last failed fetch."""

    worker_id: str
    problem: str


@dataclass(eq=False)
class Slot:
    """One chunk of the window."""

    chunk: Positions
    row: int
    """Its first row in the batch."""
    since: float
    """When it came into the window."""
    state: SlotState = SlotState.AWAITED
    next: Announcement | None = None
    """Where to fetch it next; while fetching, where else it lies."""
    fetch: ChunkFetch | None = None
    not_before: float = 0.0
    """Not to be fetched from the worker of the last failure before this."""
    failures: int = 0
    failed: Failure | None = None

    @property
    def due(self) -> float:
        """When an announced chunk may be fetched: at once, unless it failed at the same worker a moment ago."""
        same = self.next is not None and self.failed is not None and self.next.worker_id == self.failed.worker_id
        return self.not_before if same else 0.0


@dataclass(eq=False)
class StepSlots:
    """One step of the window, and the batch that its chunks are laid into."""

    step: int
    slots: list[Slot]
    builder: BatchBuilder


def positions_of(wire: ChunkRange) -> Positions:
    return Positions(wire.epoch, wire.first, wire.last)


def to_wire(chunk: Positions) -> ChunkRange:
    return ChunkRange(epoch=chunk.epoch, first=chunk.first, last=chunk.last)
