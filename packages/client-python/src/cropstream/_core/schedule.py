"""Steps, ranks and chunks: which positions of an epoch's order are whose. Pure; docs/protocol.md has the rules."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import NoFullStep, RankOutOfRange, SpecInvalid, StepOutOfRange, UnevenTail, WorldIndivisible

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer of the protocol, whatever its type on the wire."""


class Positions(NamedTuple):
    """Positions [first, last) of an epoch's order."""

    epoch: int
    first: int
    last: int


class Located(NamedTuple):
    epoch: int
    step: int


class EpochPlan:
    """The steps of an epoch; the same for every rank and every world size.

    Raises NoFullStep where `drop_last` leaves nothing, SpecInvalid for counts that are not positive.
    """

    def __init__(self, samples: int, global_batch_size: int, drop_last: bool) -> None:
        for field, value in (("samples", samples), ("global_batch_size", global_batch_size)):
            if value < 1:
                raise SpecInvalid(field=field, value=value, allowed="an integer of at least 1")
        full = samples // global_batch_size
        if drop_last and full == 0:
            raise NoFullStep(samples=samples, global_batch_size=global_batch_size)
        self.samples = samples
        self.global_batch_size = global_batch_size
        self.drop_last = drop_last
        self.steps_per_epoch = full if drop_last else -(-samples // global_batch_size)

    def locate(self, global_step: int) -> Located:
        """The epoch, and the step in it. Raises StepOutOfRange outside [0, 2^53)."""
        if not 0 <= global_step <= MAX_SAFE_INTEGER:
            raise StepOutOfRange(step=global_step, reason="a global step is an integer in [0, 2^53)")
        return Located(*divmod(global_step, self.steps_per_epoch))

    def slice_of(self, global_step: int, rank: int, world_size: int) -> Positions:
        """The rank's slice of a global step: the slices of all ranks, joined, are the step; earlier ones are longer."""
        epoch, step = self.locate(global_step)
        first = step * self.global_batch_size
        last = min(first + self.global_batch_size, self.samples)
        short, longer = divmod(last - first, world_size)

        def start(r: int) -> int:
            return first + r * short + min(r, longer)

        return Positions(epoch, start(rank), start(rank + 1))

    def check_world(self, rank: int, world_size: int, allow_uneven: bool) -> None:
        """Raises RankOutOfRange; WorldIndivisible or UnevenTail where slices differ and that is not allowed."""
        if not 0 <= rank < world_size:
            raise RankOutOfRange(rank=rank, world_size=world_size)
        if allow_uneven:
            return
        if self.global_batch_size % world_size != 0:
            raise WorldIndivisible(global_batch_size=self.global_batch_size, world_size=world_size)
        tail = 0 if self.drop_last else self.samples % self.global_batch_size
        if tail % world_size != 0:
            raise UnevenTail(tail=tail, world_size=world_size)


def cut_chunks(slice: Positions, chunk_size: int) -> list[Positions]:
    """A slice in chunks of `chunk_size` positions from its start; the last may be shorter."""
    return [
        Positions(slice.epoch, first, min(first + chunk_size, slice.last))
        for first in range(slice.first, slice.last, chunk_size)
    ]
