"""Which process may use what: neither threads nor gRPC survive a fork."""

from __future__ import annotations

import os

from ..errors import LoaderForked

_grpc_since: int | None = None
"""The process that opened a channel first, if any did."""
_kept: list[object] = []
"""In a forked child: what of its parent's must not be freed, since freeing takes locks that nobody will release."""
_alive: set[object] = set()


def begin_grpc() -> None:
    """Before a channel is made. Raises LoaderForked in a child of a process that had channels."""
    global _grpc_since
    if _grpc_since is None:
        _grpc_since = os.getpid()
    check_owner(_grpc_since)


def check_owner(owner: int) -> None:
    """Raises LoaderForked in any process but `owner`."""
    if os.getpid() != owner:
        raise LoaderForked(owner=owner, pid=os.getpid())


def keep_alive(thing: object) -> None:
    """Keeps it while this process lives, or until `let_go`; in a forked child for ever."""
    _alive.add(thing)


def let_go(thing: object) -> None:
    _alive.discard(thing)


def _after_fork() -> None:
    _kept.extend(_alive)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
