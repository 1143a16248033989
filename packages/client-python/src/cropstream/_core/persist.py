"""Calls that are tried again while trying can help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from .backoff import Backoff
from .connection import tried_for
from .error import CropstreamError

_BACKOFF = Backoff(0.1, 2.0)
T = TypeVar("T")


def persist(call: Callable[[], T], limit: float) -> T:
    """Calls until it succeeds, fails for good, or no further try fits into `limit` seconds; then its last error is
    raised."""
    began = time.monotonic()
    tries = 0
    while True:
        try:
            return call()
        except CropstreamError as error:
            wait = _BACKOFF.seconds(tries)
            if not error.retryable:
                raise
            if time.monotonic() + wait - began > limit:
                raise tried_for(error, time.monotonic() - began) from error.__cause__
            time.sleep(wait)
            tries += 1
