"""By which way chunks come: from their workers directly, or through the coordinator."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from ..errors import SpecInvalid

_REDIAL_SECONDS = 10.0
"""A worker whose chunks come through the coordinator is dialled again after so long, each time twice as long."""
_LONGEST_REDIAL_SECONDS = 15 * 60.0
_MAX_ADDRESSES = 1024
"""Addresses remembered: where pods come and go, those of long ago are forgotten."""


class RelayMode(Enum):
    AUTO = "auto"
    """From workers directly, through the coordinator from those that cannot be reached."""
    ALWAYS = "always"
    NEVER = "never"


class Route(Enum):
    DIRECT = "direct"
    RELAY = "relay"


class _Known(NamedTuple):
    reached: bool
    redial_at: float = 0.0
    wait: float = 0.0


def resolve_relay(relay: str | None, environment: Mapping[str, str]) -> RelayMode:
    """The argument, or else CROPSTREAM_RELAY, or else `auto`. Raises SpecInvalid."""
    field, value = ("relay", relay) if relay is not None else ("CROPSTREAM_RELAY", environment.get("CROPSTREAM_RELAY"))
    try:
        return RelayMode(value or "auto")
    except ValueError:
        allowed = f"one of {', '.join(mode.value for mode in RelayMode)}"
        raise SpecInvalid(field=field, value=str(value), allowed=allowed) from None


class Routes:
    """May be called from any thread."""

    def __init__(self, mode: RelayMode, relaying: Callable[[str], None]) -> None:
        """`relaying` is called once, when the first worker is found out of reach: with what was wrong."""
        self._mode = mode
        self._relaying = relaying
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._told = False

    def of(self, address: str) -> Route:
        """Where to begin a fetch."""
        if self._mode is not RelayMode.AUTO:
            return Route.RELAY if self._mode is RelayMode.ALWAYS else Route.DIRECT
        with self._lock:
            known = self._known.get(address)
            if known is None or known.reached:
                return Route.DIRECT
            now = time.monotonic()
            if now < known.redial_at:
                return Route.RELAY
            # This fetch alone tries: where packets are dropped without an answer, a dial takes a second.
            wait = min(2 * known.wait, _LONGEST_REDIAL_SECONDS)
            self._remember(address, _Known(False, now + wait, wait))
            return Route.DIRECT

    def may_relay(self, address: str, again: bool) -> bool:
        """Whether a fetch that found no way to an address is to be tried through the coordinator, who can tell a worker
        that is gone from one that cannot be reached from here. A worker that was reached before is gone more likely
        than not: its chunk is reported first, and `again` says that it was."""
        if self._mode is not RelayMode.AUTO:
            return False
        with self._lock:
            known = self._known.get(address)
            return again or known is None or not known.reached

    def reached(self, address: str) -> None:
        """Bytes came from the address."""
        with self._lock:
            known = self._known.get(address)
            if known is None or not known.reached:
                self._remember(address, _Known(True))

    def unreachable(self, address: str, problem: str) -> None:
        """Bytes came through the coordinator from a worker that was dialled in vain."""
        with self._lock:
            known = self._known.get(address)
            if known is None or known.reached:
                self._remember(address, _Known(False, time.monotonic() + _REDIAL_SECONDS, _REDIAL_SECONDS))
            if self._told:
                return
            self._told = True
        self._relaying(problem)

    def _remember(self, address: str, known: _Known) -> None:
        self._known[address] = known
        self._known.move_to_end(address)
        if len(self._known) > _MAX_ADDRESSES:
            self._known.popitem(last=False)
