"""Waits between tries."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    first: float
    """Seconds before the second try."""
    most: float

    def seconds(self, tries: int) -> float:
        """Before the try after `tries` (from 0) failed ones: doubling, of which a random half is taken off, so that
        trainers that lost the same coordinator do not return in step. No data depends on this chance."""
        return min(self.most, self.first * 2.0 ** min(tries, 30)) * (1 - random.random() / 2)
