"""What a resume needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from ._core.run import RunInfo
from ._core.schedule import MAX_SAFE_INTEGER
from .errors import FingerprintMismatch, SpecInvalid, StateMismatch

_VERSION = 1


class LoaderState(TypedDict):
    """All that a resume needs, as plain JSON, the same as the TypeScript client's: which run, and the global step that
    comes next. It counts what was yielded, never what was prefetched, and knows nothing of rank or world size, so it
    fits a job of any size. The spec in it opens the run again wherever it is not open any more."""

    version: int
    run: str
    spec_json: str
    run_digest: str
    manifest_digest: str
    fingerprint: str
    global_step: int
    consumer: str


def make_state(run: RunInfo, global_step: int, consumer: str) -> LoaderState:
    return {
        "version": _VERSION,
        "run": run.name,
        "spec_json": run.spec_json,
        "run_digest": run.digest,
        "manifest_digest": run.manifest_digest,
        "fingerprint": run.fingerprint,
        "global_step": global_step,
        "consumer": consumer,
    }


def parse_state(state: Mapping[str, Any]) -> LoaderState:
    """Raises SpecInvalid for anything that `state_dict` does not write."""
    if not isinstance(state, Mapping):
        raise SpecInvalid(field="state", value=type(state).__name__, allowed="what state_dict gave")

    def check(name: str, allowed: str, right: bool) -> None:
        if not right:
            raise SpecInvalid(field=f"state.{name}", value=repr(state.get(name))[:200], allowed=allowed)

    check("version", f"{_VERSION}, the version that this client reads", state.get("version") == _VERSION)
    for name in ("run", "spec_json", "run_digest", "manifest_digest", "fingerprint", "consumer"):
        value = state.get(name)
        empty_is_fine = name == "fingerprint"
        check(name, "a string", isinstance(value, str) and (value != "" or empty_is_fine))
    step = state.get("global_step")
    right = isinstance(step, int) and not isinstance(step, bool) and 0 <= step <= MAX_SAFE_INTEGER
    check("global_step", "an integer of at least 0", right)
    return cast(LoaderState, {name: state[name] for name in LoaderState.__annotations__})


def check_state(state: LoaderState, run: RunInfo) -> None:
    """Whether a state belongs to the run: the same samples in the same order with the same pixels. Names may differ.

    Raises StateMismatch naming the field that differs, FingerprintMismatch where only the pixels would.
    """
    if state["manifest_digest"] != run.manifest_digest:
        saved, current = state["manifest_digest"], run.manifest_digest
        raise StateMismatch(field="manifest_digest", saved=saved, current=current)
    if state["run_digest"] != run.digest:
        raise StateMismatch(field="run_digest", saved=state["run_digest"], current=run.digest)
    if state["fingerprint"] != run.fingerprint:
        raise FingerprintMismatch(given=state["fingerprint"], expected=run.fingerprint)
