"""A batch while its chunks arrive: each chunk's rows are written where they belong, each byte copied once."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..batch import PARAM_COLUMNS, Batch, Substitution
from ..v1.worker_pb2 import ChunkHeader, Column
from .arrays import Bytes, Framework
from .run import ITEM_SIZE, RunInfo
from .schedule import Located

PARAMS = "params/"
"""What the names of parameter columns begin with."""


@dataclass(frozen=True)
class Selection:
    """Which columns a trainer wants beside views, `_indices` and `labels`, which it always gets."""

    params: bool
    exclude_fields: frozenset[str]


@dataclass
class _Tensor:
    array: Any
    memory: Bytes
    dtype: str
    shape: tuple[int, ...]
    """Of one sample."""


class BatchBuilder:
    """One step's tensors. Several threads may write chunks at once, each its own rows."""

    def __init__(
        self,
        run: RunInfo,
        selection: Selection,
        framework: Framework,
        global_step: int,
        at: Located,
        rows: int,
    ) -> None:
        self._run = run
        self._selection = selection
        self._framework = framework
        self._global_step = global_step
        self._at = at
        self._rows = rows
        self._tensors: dict[str, _Tensor] = {}
        self._strings: dict[str, list[str]] = {}
        self._substitutions: dict[int, tuple[Substitution, ...]] = {}
        self._fields = [field for field in run.fields if field.name not in selection.exclude_fields]
        for view in run.views:
            self._allocate(view.name, view.dtype, view.shape)
        self._allocate("_indices", "int64", ())
        self._allocate("labels", "int64", ())
        for field in self._fields:
            if field.dtype == "string":
                self._strings[field.name] = [""] * rows
            else:
                self._allocate(field.name, field.dtype, ())
        self._required = (*self._tensors, *self._strings)
        self._params = {PARAMS + view.name for view in run.views} if selection.params else set()
        self._params_lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What the tensors take. Strings come on top."""
        return sum(tensor.memory.nbytes for tensor in self._tensors.values())

    def sink(self, first_row: int, rows: int) -> ChunkSink:
        """Where the rows [first_row, first_row + rows) of the batch are written."""
        return ChunkSink(self, first_row, rows)

    def finish(self) -> Batch:
        """The batch, once every row was written."""
        arrays = {name: tensor.array for name, tensor in self._tensors.items()}
        content = {view.name: arrays[view.name] for view in self._run.views}
        content |= {"_indices": arrays["_indices"], "labels": arrays["labels"]}
        content |= {field.name: self._strings.get(field.name, arrays.get(field.name)) for field in self._fields}
        if self._selection.params:
            content["_params"] = {view.name: self._params_of(view.name) for view in self._run.views}
        return Batch(
            content,
            epoch=self._at.epoch,
            step=self._at.step,
            global_step=self._global_step,
            substitutions=tuple(
                substitution for _, found in sorted(self._substitutions.items()) for substitution in found
            ),
        )

    def _allocate(self, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        array, memory = self._framework.empty(dtype, (self._rows, *shape))
        self._tensors[name] = _Tensor(array, memory, dtype, shape)

    def _params_of(self, view: str) -> Any:
        name = PARAMS + view
        if name not in self._tensors:
            self._allocate(name, "float32", (len(PARAM_COLUMNS),))
            self._tensors[name].memory.view(np.float32)[:] = np.nan
        return self._tensors[name].array

    def _params_tensor(self, column: Column) -> _Tensor | None:
        """Parameters have as many columns as their maker knows, so their tensor waits for the first header."""
        if column.dtype != "float32" or len(column.shape) != 1:
            return None
        with self._params_lock:
            if column.name not in self._tensors:
                self._allocate(column.name, column.dtype, tuple(column.shape))
            return self._tensors[column.name]

    # For its sinks.

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a chunk must have."""
        return self._required

    def destination(self, column: Column, first_row: int, rows: int) -> Bytes | str | None:
        """The memory that a chunk's column goes to; None: nobody wants it; a string: why it cannot be."""
        if column.name in self._strings:
            if column.dtype != "string":
                return f"is {column.dtype}, not string"
            return np.empty(column.bytes, np.uint8)
        tensor = self._params_tensor(column) if column.name in self._params else self._tensors.get(column.name)
        if tensor is None:
            return None
        shape = tuple(column.shape)
        if (column.dtype, shape) != (tensor.dtype, tensor.shape):
            return f"is {column.dtype}{list(shape)}, not {tensor.dtype}{list(tensor.shape)}"
        row_bytes = prod(shape) * ITEM_SIZE[tensor.dtype]
        if column.bytes != rows * row_bytes:
            return f"has {column.bytes} bytes, not {rows * row_bytes}"
        return tensor.memory[first_row * row_bytes : (first_row + rows) * row_bytes]

    def put_strings(self, name: str, first_row: int, values: list[str]) -> None:
        self._strings[name][first_row : first_row + len(values)] = values

    def put_substitutions(self, first_row: int, header: ChunkHeader) -> None:
        self._substitutions[first_row] = tuple(
            Substitution(
                row=first_row + found.row,
                original_index=found.original_index,
                delivered_index=found.delivered_index,
                path=found.path,
                code=found.code,
                reason=found.reason,
            )
            for found in header.substitutions
        )


@dataclass(frozen=True)
class _Span:
    column: Column
    bytes: int
    target: Bytes | None


class ChunkSink:
    """Takes one chunk's payload, piece by piece in order. May be begun again: a second copy of the same chunk goes over
    the first."""

    def __init__(self, builder: BatchBuilder, first_row: int, rows: int) -> None:
        self._builder = builder
        self._first_row = first_row
        self._rows = rows
        self._spans: list[_Span] = []
        self._span = 0
        self._at = 0

    def begin(self, header: ChunkHeader) -> str | None:
        """Checks the chunk's columns against the run; the problem, or None."""
        self._spans = []
        self._span = 0
        self._at = 0
        if header.samples != self._rows:
            return f"it has {header.samples} samples, not {self._rows}"
        names = {column.name for column in header.columns}
        for name in self._builder.required:
            if name not in names:
                return f"it has no column {name}"
        if len(names) != len(header.columns):
            return "it has a column twice"
        total = 0
        for column in header.columns:
            target = self._builder.destination(column, self._first_row, self._rows)
            if isinstance(target, str):
                return f"column {column.name} {target}"
            self._spans.append(_Span(column, column.bytes, target))
            total += column.bytes
        if total != header.payload_bytes:
            return f"its columns have {total} bytes, its payload {header.payload_bytes}"
        self._builder.put_substitutions(self._first_row, header)
        return None

    def write(self, data: memoryview) -> None:
        """The next bytes of the payload; no more of them than the header said."""
        # NumPy releases the interpreter lock while it copies; a memoryview does not.
        source = np.frombuffer(data, np.uint8)
        start = 0
        while start < len(source):
            span = self._spans[self._span]
            take = min(span.bytes - self._at, len(source) - start)
            if take > 0 and span.target is not None:
                span.target[self._at : self._at + take] = source[start : start + take]
            start += take
            self._at += take
            if self._at == span.bytes:
                self._span += 1
                self._at = 0

    def end(self) -> str | None:
        """Reads the strings, once all bytes are there and checked; the problem, or None."""
        for span in self._spans:
            if span.column.dtype != "string" or span.target is None:
                continue
            values = _read_strings(span.target.tobytes(), self._rows)
            if values is None:
                return f"column {span.column.name} does not hold {self._rows} strings"
            self._builder.put_strings(span.column.name, self._first_row, values)
        return None


def _read_strings(data: bytes, rows: int) -> list[str] | None:
    """Rows of a 32-bit little-endian length and UTF-8; None where the bytes are not `rows` such rows."""
    values: list[str] = []
    at = 0
    for _ in range(rows):
        if at + 4 > len(data):
            return None
        (length,) = struct.unpack_from("<I", data, at)
        end = at + 4 + length
        if end > len(data):
            return None
        # As the TypeScript client: a replacement character for what is no UTF-8, and never a lost batch.
        values.append(data[at + 4 : end].decode("utf-8", "replace"))
        at = end
    return values if at == len(data) else None
