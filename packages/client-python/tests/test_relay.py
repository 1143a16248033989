"""Chunks through the coordinator, where workers cannot be reached."""

from __future__ import annotations

import warnings

import pytest
from fleet import Fate, Fleet

from cropstream import MultiCropLoader, StreamDigest
from cropstream._core.routes import RelayMode, Route, Routes, resolve_relay
from cropstream.errors import ProtocolMismatch, SpecInvalid
from cropstream.v1.coordinator_pb2 import Nack

RELAYED = "its batches come through the coordinator at"


def drawn(fleet: Fleet, relay: str) -> str:
    digest = StreamDigest()
    with MultiCropLoader(fleet.target, framework="numpy", timeout=30.0, relay=relay) as loader:
        for batch in loader:
            digest.update(batch)
    return digest.hex()


def always(fate: str) -> Fate:
    return lambda chunk, fetch: fate


def first(fate: str) -> Fate:
    return lambda chunk, fetch: fate if fetch == 0 else "ok"


def reasons(fleet: Fleet) -> set[object]:
    return {nack.reason for nack in fleet.nacks}


def test_always_dials_no_worker() -> None:
    with Fleet(relay=always("ok")) as fleet, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawn(fleet, "always") == fleet.run.digest(range(4))
        assert fleet.fetches == []
        assert not fleet.nacks


@pytest.mark.parametrize("fate", ["unreachable", "silent"])
def test_auto_draws_through_the_coordinator_what_cannot_be_reached_and_says_so_once(fate: str) -> None:
    with Fleet(fate=always(fate), relay=always("ok")) as fleet:
        with pytest.warns(UserWarning, match=RELAYED) as said:
            assert drawn(fleet, "auto") == fleet.run.digest(range(4))
        # Others, of whatever the collector finds meanwhile, may come beside it.
        assert [RELAYED in str(one.message) for one in said].count(True) == 1
        # As many as are fetched at once.
        assert len(fleet.fetches) <= 4
        assert not fleet.nacks


def test_auto_reports_a_worker_that_the_coordinator_cannot_reach_either() -> None:
    with Fleet(fate=first("unreachable")) as fleet:
        assert drawn(fleet, "auto") == fleet.run.digest(range(4))
        assert reasons(fleet) == {Nack.REASON_UNREACHABLE}
        assert fleet.relays


def test_never_leaves_the_coordinator_alone() -> None:
    with Fleet(fate=first("unreachable"), relay=always("ok")) as fleet:
        assert drawn(fleet, "never") == fleet.run.digest(range(4))
        assert reasons(fleet) == {Nack.REASON_UNREACHABLE}
        assert fleet.relays == []


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ("gone", {Nack.REASON_UNREACHABLE}),
        ("not-found", {Nack.REASON_NOT_FOUND}),
        ("damaged", {Nack.REASON_DAMAGED}),
        ("lost", set()),
        ("cut", set()),
        ("full", set()),
        ("busy", set()),
        ("unreachable", set()),
    ],
)
def test_what_befalls_a_relayed_chunk_is_told_rightly(fate: str, told: set[object]) -> None:
    with Fleet(relay=first(fate)) as fleet:
        assert drawn(fleet, "always") == fleet.run.digest(range(4))
        assert reasons(fleet) == told
        offsets = {offset for _, offset in fleet.relays}
        assert (len(offsets) > 1) == (fate in ("lost", "cut")), "only a call that was cut goes on where it was"


def test_a_coordinator_too_old_to_relay() -> None:
    with Fleet(relay=always("old")) as fleet, pytest.raises(ProtocolMismatch):
        drawn(fleet, "always")
    with Fleet(fate=first("unreachable"), relay=always("old")) as fleet:
        assert drawn(fleet, "auto") == fleet.run.digest(range(4))
        assert reasons(fleet) == {Nack.REASON_UNREACHABLE}


def test_a_worker_out_of_reach_is_dialled_again_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("cropstream._core.routes.time.monotonic", lambda: now)
    said: list[str] = []
    routes = Routes(RelayMode.AUTO, said.append)
    routes.unreachable("w:1", "no route to it")
    dials = []
    for now in range(100):
        if routes.of("w:1") is Route.DIRECT:
            dials.append(now)
    assert dials == [10, 30, 70]
    routes.reached("w:1")
    assert routes.of("w:1") is Route.DIRECT
    assert said == ["no route to it"]


def test_the_mode_comes_from_the_argument_or_the_environment() -> None:
    assert resolve_relay(None, {}) is RelayMode.AUTO
    assert resolve_relay(None, {"CROPSTREAM_RELAY": "always"}) is RelayMode.ALWAYS
    assert resolve_relay("never", {"CROPSTREAM_RELAY": "always"}) is RelayMode.NEVER
    with pytest.raises(SpecInvalid, match="CROPSTREAM_RELAY: sometimes is not allowed; expected one of auto"):
        resolve_relay(None, {"CROPSTREAM_RELAY": "sometimes"})
