"""Finds or opens the run, checks all that can be checked before attaching, and prepares the rank's stream."""

from __future__ import annotations

import os
import socket
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RunNotFound, SpecInvalid, StepOutOfRange
from ..state import LoaderState, check_state
from ..v1 import run_pb2
from .arrays import Framework
from .assembly import Selection
from .members import Member
from .persist import persist
from .routes import RelayMode, Routes
from .run import RunInfo, describe_run
from .spec import spec_json
from .stream import BatchStream, Identity, StreamOptions
from .transport import Transport
from .window import Prefetch

_CONNECT_SECONDS = 10.0
"""How long a coordinator is tried before it is said to be unreachable, where the user's own limit is not shorter."""
_DEFAULT_STEPS = 4
_DEFAULT_BYTES = 2**30


@dataclass(frozen=True)
class Settings:
    """A loader's arguments, checked, with every default filled in that does not depend on the run."""

    run: str | None
    spec: Mapping[str, Any] | str | os.PathLike[str] | None
    state: LoaderState | None
    member: Member
    consumer: str
    prefetch: int | None
    prefetch_bytes: int | None
    start_step: int | None
    end_step: int | None
    epoch_size: int | None
    allow_uneven: bool
    takeover: bool
    params: bool
    exclude_fields: Sequence[str]
    relay: RelayMode
    timeout: float

    @property
    def connect_limit(self) -> float:
        return min(_CONNECT_SECONDS, self.timeout)


@dataclass(frozen=True)
class Connection:
    run: RunInfo
    stream: BatchStream
    length: int
    """Batches of one iteration."""


def connect(settings: Settings, framework: Framework, transport: Transport) -> Connection:
    """The stream is not attached yet."""
    found = persist(lambda: _find_run(transport, settings), settings.connect_limit)
    run = describe_run(found)
    state = settings.state
    if state is not None:
        check_state(state, run)
    rank, world_size = settings.member
    run.plan.check_world(rank, world_size, settings.allow_uneven)
    length = _epoch_length(run, settings.epoch_size)
    start_step = state["global_step"] if state is not None else settings.start_step or 0
    end_step = settings.end_step
    # A state at the end is that of a finished job, and no error: there is nothing left to draw.
    if state is None and end_step is not None and start_step >= end_step:
        raise StepOutOfRange(step=start_step, reason=f"the end asked for is step {end_step}")
    stream = BatchStream(
        StreamOptions(
            transport=transport,
            run=run,
            identity=Identity(
                rank=rank,
                world_size=world_size,
                consumer=settings.consumer,
                process=uuid.uuid4().hex,
                host=socket.gethostname(),
                takeover=settings.takeover,
                allow_uneven=settings.allow_uneven,
            ),
            start_step=start_step,
            end_step=end_step,
            prefetch=_prefetch(run, settings),
            selection=Selection(settings.params, _known_fields(run, settings.exclude_fields)),
            framework=framework,
            routes=Routes(settings.relay, lambda problem: _warn_of_relay(transport.target, problem)),
            timeout=settings.timeout,
        )
    )
    return Connection(run, stream, length)


def _warn_of_relay(target: str, problem: str) -> None:
    warnings.warn(
        f"{problem}; its batches come through the coordinator at {target}. They are the same batches, but one process "
        'sends those of all trainers that draw so: docs/fleet.md says what it costs. relay="always" (CROPSTREAM_RELAY) '
        'leaves out the dialling, "never" makes it an error.',
        stacklevel=2,
    )


def _find_run(transport: Transport, settings: Settings) -> run_pb2.RunInfo:
    if settings.spec is not None:
        return transport.open_run(spec_json(settings.spec))
    if settings.state is None:
        return transport.get_run(settings.run or "")
    try:
        return transport.get_run(settings.state["run"])
    except RunNotFound:
        return transport.open_run(settings.state["spec_json"])


def _epoch_length(run: RunInfo, epoch_size: int | None) -> int:
    if epoch_size is None:
        return run.steps_per_epoch
    steps = epoch_size // run.global_batch_size
    if steps < 1:
        allowed = f"at least one global batch of {run.global_batch_size} samples"
        raise SpecInvalid(field="epoch_size", value=epoch_size, allowed=allowed)
    return steps


def _known_fields(run: RunInfo, names: Sequence[str]) -> frozenset[str]:
    known = [field.name for field in run.fields]
    for name in names:
        if name not in known:
            allowed = f"some of {', '.join(known)}" if known else "nothing: this run has no other fields"
            raise SpecInvalid(field="exclude_fields", value=str(name), allowed=allowed)
    return frozenset(names)


def _prefetch(run: RunInfo, settings: Settings) -> Prefetch:
    """Bytes that the user named are a limit; the default only keeps large batches from being held by fours."""
    steps = settings.prefetch or _DEFAULT_STEPS
    if settings.prefetch_bytes is not None:
        return Prefetch(steps, settings.prefetch_bytes)
    if settings.prefetch is not None:
        return Prefetch(steps, None)
    step_bytes = -(-run.global_batch_size // settings.member.world_size) * run.sample_bytes
    return Prefetch(steps, max(_DEFAULT_BYTES, step_bytes))
