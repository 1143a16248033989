"""Which positions are whose: properties, and docs/protocol.md's example."""

from __future__ import annotations

import random

import pytest

from cropstream._core.schedule import EpochPlan, Positions, cut_chunks
from cropstream.errors import NoFullStep, RankOutOfRange, StepOutOfRange, UnevenTail, WorldIndivisible


def test_the_example_of_the_protocol() -> None:
    plan = EpochPlan(samples=100, global_batch_size=10, drop_last=True)
    assert cut_chunks(plan.slice_of(0, 1, 2), 3) == [Positions(0, 5, 8), Positions(0, 8, 10)]


def test_slices_of_all_ranks_joined_are_the_step() -> None:
    chance = random.Random(3)
    for _ in range(200):
        samples, batch, world = chance.randint(1, 90), chance.randint(1, 40), chance.randint(1, 9)
        plan = EpochPlan(samples, batch, drop_last=False)
        epoch = []
        for step in range(plan.steps_per_epoch):
            slices = [plan.slice_of(step, rank, world) for rank in range(world)]
            sizes = [last - first for _, first, last in slices]
            assert sizes == sorted(sizes, reverse=True)
            assert sizes[0] - sizes[-1] <= 1
            for slice in slices:
                chunks = cut_chunks(slice, 4)
                epoch += [position for _, first, last in chunks for position in range(first, last)]
        assert epoch == list(range(samples))


def test_a_global_step_is_the_whole_cursor() -> None:
    plan = EpochPlan(10, 4, drop_last=True)
    assert [plan.locate(step) for step in (0, 1, 2, 5)] == [(0, 0), (0, 1), (1, 0), (2, 1)]
    with pytest.raises(StepOutOfRange):
        plan.locate(2**53)


def test_worlds_that_cannot_be() -> None:
    with pytest.raises(NoFullStep, match="3 samples, fewer than one global batch of 4"):
        EpochPlan(3, 4, drop_last=True)
    plan = EpochPlan(10, 4, drop_last=False)
    with pytest.raises(RankOutOfRange):
        plan.check_world(2, 2, allow_uneven=False)
    with pytest.raises(WorldIndivisible):
        plan.check_world(0, 3, allow_uneven=False)
    with pytest.raises(UnevenTail, match="2 samples, uneven over 4"):
        plan.check_world(0, 4, allow_uneven=False)
    plan.check_world(0, 3, allow_uneven=True)
