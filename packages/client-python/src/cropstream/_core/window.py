"""Which steps a rank may hold at once, what they are made of, and the credits that say so to a coordinator."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import WindowTooSmall
from .run import RunInfo
from .schedule import Located, Positions, cut_chunks


@dataclass(frozen=True)
class Prefetch:
    """Memory for batches that are on their way or wait to be yielded; the next one included, yielded ones not."""

    steps: int
    """Whole steps, at least 1."""
    bytes: int | None
    """Bytes of the views of those steps; None: whatever the steps take."""


class StepWindow:
    """Whole steps, as many as the prefetch allows. Raises WindowTooSmall where its bytes do not hold one."""

    def __init__(self, run: RunInfo, rank: int, world_size: int, prefetch: Prefetch) -> None:
        self._run = run
        self._rank = rank
        self._world_size = world_size
        self._plan = run.plan
        full = self.rows_of(0)
        chunks = max(1, len(cut_chunks(full, run.chunk_size)))
        size = max(1, (full.last - full.first) * run.sample_bytes)
        self.steps = prefetch.steps if prefetch.bytes is None else min(prefetch.steps, prefetch.bytes // size)
        # Constant: a coordinator counts every step as a full one.
        self.credit_chunks = self.steps * chunks
        self.credit_bytes = self.steps * size
        if self.steps < 1:
            raise WindowTooSmall(
                needed=chunks,
                needed_bytes=size,
                given=prefetch.steps * chunks,
                given_bytes=prefetch.bytes or 0,
            )

    def rows_of(self, global_step: int) -> Positions:
        """The rank's positions of a global step; none for the last ranks of a tail smaller than the world."""
        return self._plan.slice_of(global_step, self._rank, self._world_size)

    def chunks_of(self, global_step: int) -> list[Positions]:
        return cut_chunks(self.rows_of(global_step), self._run.chunk_size)

    def locate(self, global_step: int) -> Located:
        return self._plan.locate(global_step)
