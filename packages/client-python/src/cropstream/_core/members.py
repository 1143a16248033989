"""Which rank of how many, and of which job: from arguments, torch.distributed, or the launcher's environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import SpecInvalid


class Member(NamedTuple):
    rank: int
    world_size: int


def resolve_member(rank: int | None, world_size: int | None, environment: Mapping[str, str]) -> Member:
    """Each of the two from the first that has it: the argument; torch.distributed, where it is initialised; RANK and
    WORLD_SIZE; SLURM_PROCID and SLURM_STEP_NUM_TASKS or SLURM_NTASKS; else 0 of 1.

    Raises SpecInvalid: a variable that is no such integer, or a world of several without a rank.
    """
    distributed = _distributed()
    if rank is None:
        rank = distributed.rank if distributed else _first(environment, ("RANK", "SLURM_PROCID"), 0)
    if world_size is None:
        names = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
        world_size = (distributed.world_size if distributed else _first(environment, names, 1)) or 1
    if rank is None and world_size > 1:
        allowed = f"an integer in [0, {world_size}), as the world size is {world_size}"
        raise SpecInvalid(field="RANK", value="unset", allowed=allowed)
    return Member(rank or 0, world_size)


def resolve_consumer(consumer: str | None, replica: int, environment: Mapping[str, str]) -> str:
    """The job's id: what its ranks have in common. Each replica is a consumer of its own, for one rank of a consumer is
    drawn by one process."""
    if consumer is None:
        elastic = environment.get("TORCHELASTIC_RUN_ID", "")
        # torchrun's static rendezvous says `none`.
        launched = ("" if elastic == "none" else elastic) or environment.get("SLURM_JOB_ID", "")
        consumer = environment.get("CROPSTREAM_CONSUMER", "") or launched or "default"
    return f"{consumer}.replica-{replica}" if replica > 0 else consumer


def _distributed() -> Member | None:
    # Who uses torch.distributed has imported it; to import it for them would take seconds.
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return Member(distributed.get_rank(), distributed.get_world_size())


def _first(environment: Mapping[str, str], names: tuple[str, ...], least: int) -> int | None:
    for name in names:
        text = environment.get(name, "")
        if text:
            if not (text.isascii() and text.isdigit() and int(text) >= least):
                raise SpecInvalid(field=name, value=text, allowed=f"an integer of at least {least}")
            return int(text)
    return None
