"""Rank, world size and job id: who says them, in which order."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from cropstream._core.members import resolve_consumer, resolve_member
from cropstream.errors import SpecInvalid

TORCHRUN = {"RANK": "2", "WORLD_SIZE": "4"}
SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8"}


def initialise(monkeypatch: pytest.MonkeyPatch, initialised: bool) -> None:
    distributed = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: initialised,
        get_rank=lambda: 1,
        get_world_size=lambda: 3,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(distributed=distributed))


def test_the_first_that_says_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    initialise(monkeypatch, True)
    assert resolve_member(6, 7, TORCHRUN) == (6, 7)
    assert resolve_member(None, None, {**TORCHRUN, **SLURM}) == (1, 3)
    assert resolve_member(2, None, TORCHRUN) == (2, 3)
    initialise(monkeypatch, False)
    assert resolve_member(None, None, {**TORCHRUN, **SLURM}) == (2, 4)
    assert resolve_member(None, None, SLURM) == (5, 8)
    assert resolve_member(None, None, {**SLURM, "SLURM_STEP_NUM_TASKS": "6"}) == (5, 6)
    assert resolve_member(None, None, {"RANK": ""}) == (0, 1)


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "²"])
def test_a_variable_that_is_no_integer_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    initialise(monkeypatch, False)
    with pytest.raises(SpecInvalid, match=f"RANK: {text} is not allowed"):
        resolve_member(None, None, {"RANK": text})


def test_a_world_without_a_rank_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    initialise(monkeypatch, False)
    with pytest.raises(SpecInvalid, match="RANK: unset"):
        resolve_member(None, None, {"WORLD_SIZE": "2"})


def test_the_job_is_what_launchers_call_it() -> None:
    assert resolve_consumer(None, 0, {}) == "default"
    assert resolve_consumer(None, 0, {"SLURM_JOB_ID": "9"}) == "9"
    assert resolve_consumer(None, 0, {"SLURM_JOB_ID": "9", "TORCHELASTIC_RUN_ID": "none"}) == "9"
    assert resolve_consumer(None, 0, {"SLURM_JOB_ID": "9", "TORCHELASTIC_RUN_ID": "run"}) == "run"
    assert resolve_consumer(None, 2, {"CROPSTREAM_CONSUMER": "mine"}) == "mine.replica-2"
    assert resolve_consumer("given", 0, {"CROPSTREAM_CONSUMER": "mine"}) == "given"
