"""Errors: their texts, their families, their way over the wire and between processes."""

from __future__ import annotations

import json
import pickle

import pytest

from cropstream import CropstreamError
from cropstream._core.status import parse_error
from cropstream.errors import ERRORS, RunNotFound, SpecInvalid, StreamStalled, Unreachable


def test_the_text_says_what_was_wrong_and_what_to_do() -> None:
    error = StreamStalled(rank=1, seconds=60.0, step=7, waiting="chunk 0-3")
    assert error.code == "STREAM_STALLED"
    assert error.problem == "rank 1 waited 60 s for step 7: chunk 0-3"
    assert str(error) == f"{error.problem}. {error.help}"
    assert error.details == {"rank": 1, "seconds": 60.0, "step": 7, "waiting": "chunk 0-3"}
    assert error.retryable


def test_builtin_families() -> None:
    assert issubclass(StreamStalled, TimeoutError)
    assert issubclass(Unreachable, ConnectionError)
    assert issubclass(SpecInvalid, ValueError)


@pytest.mark.parametrize("kind", ERRORS.values())
def test_survives_pickling(kind: type[CropstreamError]) -> None:
    error = kind(field="a", reason="b")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.details) == (str(error), error.details)


def test_comes_over_the_wire_as_it_was_sent() -> None:
    wire = {"code": "RUN_NOT_FOUND", "problem": "no run", "help": "open it", "details": {"run": "a"}}
    error = parse_error(json.dumps(wire).encode())
    assert isinstance(error, RunNotFound)
    assert (error.problem, error.help, error.details) == ("no run", "open it", {"run": "a"})
    newer = parse_error(json.dumps({**wire, "code": "OF_TOMORROW"}).encode())
    assert newer is not None
    assert (newer.code, newer.problem) == ("INTERNAL", "no run")


@pytest.mark.parametrize("broken", [b"", b"\xff", b"[]", b"{}", b'{"code":1,"problem":"","help":"","details":{}}'])
def test_what_is_no_error_is_none(broken: bytes) -> None:
    assert parse_error(broken) is None
