"""What the coordinator says of a run, as the client's own type."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..errors import ProtocolMismatch
from ..v1 import run_pb2
from .schedule import EpochPlan

PROTOCOL_VERSION = 1

ITEM_SIZE = {"uint8": 1, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "float64": 8}
"""Bytes of one element, by dtype."""
_VIEW_DTYPES = ("uint8", "float32", "float16", "bfloat16")
_FIELD_DTYPES = ("string", "int64", "float64")


@dataclass(frozen=True)
class ViewInfo:
    """One view of every sample."""

    name: str
    dtype: str
    """uint8, float32, float16 or bfloat16."""
    shape: tuple[int, ...]
    """Of one sample: (3, height, width), or (height, width, 3) under `layout: nhwc`."""

    @property
    def bytes(self) -> int:
        return prod(self.shape) * ITEM_SIZE[self.dtype]


@dataclass(frozen=True)
class FieldInfo:
    """A field that rides along with each sample, beside its index and label."""

    name: str
    dtype: str
    """string, int64 or float64."""


@dataclass(frozen=True)
class RunInfo:
    """An open run."""

    name: str
    digest: str
    """The run's identity: hexadecimal SHA-256."""
    spec_json: str
    """The resolved spec as canonical JSON: with it alone the run can be opened again."""
    manifest_digest: str
    fingerprint: str
    """The pixel fingerprint that the run is pinned to."""
    samples: int
    global_batch_size: int
    drop_last: bool
    steps_per_epoch: int
    chunk_size: int
    """Positions a chunk, at most."""
    sample_bytes: int
    """Bytes of one sample's views."""
    views: tuple[ViewInfo, ...]
    """In the spec's order."""
    fields: tuple[FieldInfo, ...]
    classes: tuple[str, ...]
    """Class names by label; empty for a dataset without classes."""
    mean: tuple[float, ...]
    """The recipe's normalisation by channel, of values in [0, 1]."""
    std: tuple[float, ...]

    @property
    def plan(self) -> EpochPlan:
        return EpochPlan(self.samples, self.global_batch_size, self.drop_last)


def describe_run(wire: run_pb2.RunInfo) -> RunInfo:
    """Raises ProtocolMismatch for a dtype that this version does not know."""
    for what, name, dtype, known in [
        *(("view", view.name, view.dtype, _VIEW_DTYPES) for view in wire.views),
        *(("field", field.name, field.dtype, _FIELD_DTYPES) for field in wire.fields),
    ]:
        if dtype not in known:
            raise ProtocolMismatch(given=f"with dtype {dtype} of {what} {name}", supported=PROTOCOL_VERSION)
    return RunInfo(
        name=wire.name,
        digest=wire.digest,
        spec_json=wire.spec_json,
        manifest_digest=wire.manifest_digest,
        fingerprint=wire.fingerprint,
        samples=wire.samples,
        global_batch_size=wire.global_batch_size,
        drop_last=wire.drop_last,
        steps_per_epoch=wire.steps_per_epoch,
        chunk_size=wire.chunk_size,
        sample_bytes=wire.sample_bytes,
        views=tuple(ViewInfo(view.name, view.dtype, tuple(view.shape)) for view in wire.views),
        fields=tuple(FieldInfo(field.name, field.dtype) for field in wire.fields),
        classes=tuple(wire.classes),
        mean=tuple(wire.mean),
        std=tuple(wire.std),
    )
