"""A run whose chunks are made up from their positions: what every test knows the bytes of."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from cropstream import Batch, StreamDigest
from cropstream._core.run import RunInfo, describe_run
from cropstream._core.schedule import Positions, cut_chunks
from cropstream.batch import PARAM_COLUMNS
from cropstream.v1 import run_pb2, worker_pb2

VIEWS = (("global_0", "uint8", (3, 8, 8)), ("global_1", "float32", (3, 8, 8)), ("local_0", "float16", (3, 4, 4)))
CLASSES = ("cats", "dogs")


class FakeRun:
    def __init__(
        self,
        samples: int = 64,
        global_batch_size: int = 16,
        chunk_size: int = 3,
        drop_last: bool = True,
        name: str = "fake",
        views: tuple[tuple[str, str, tuple[int, ...]], ...] = VIEWS,
    ) -> None:
        sizes = {"uint8": 1, "float16": 2, "bfloat16": 2, "float32": 4}
        full = samples // global_batch_size
        self.wire = run_pb2.RunInfo(
            name=name,
            digest="d" * 64,
            spec_json=json.dumps({"name": name, "output": {"layout": "nchw"}}),
            manifest_digest="e" * 64,
            fingerprint="f" * 64,
            samples=samples,
            global_batch_size=global_batch_size,
            drop_last=drop_last,
            steps_per_epoch=full if drop_last else -(-samples // global_batch_size),
            chunk_size=chunk_size,
            sample_bytes=sum(int(np.prod(shape)) * sizes[dtype] for _, dtype, shape in views),
            views=[run_pb2.ViewInfo(name=name, dtype=dtype, shape=shape) for name, dtype, shape in views],
            fields=[run_pb2.FieldInfo(name="path", dtype="string"), run_pb2.FieldInfo(name="area", dtype="float64")],
            classes=CLASSES,
            mean=[0.485, 0.456, 0.406],
            std=[0.229, 0.224, 0.225],
        )

    @property
    def info(self) -> RunInfo:
        return describe_run(self.wire)

    def columns(self, rows: Positions) -> dict[str, Any]:
        """The bytes of each column, and a list of strings for a field of strings."""
        columns: dict[str, Any] = {}
        for number, view in enumerate(self.info.views):
            made = [
                np.random.default_rng([rows.epoch, position, number]).integers(0, 256, view.bytes, np.uint8)
                for position in range(rows.first, rows.last)
            ]
            columns[view.name] = np.concatenate(made) if made else np.empty(0, np.uint8)
        positions = np.arange(rows.first, rows.last, dtype="<i8")
        columns["_indices"] = (positions * 7 + rows.epoch).view(np.uint8)
        columns["labels"] = (positions % len(CLASSES)).view(np.uint8)
        columns["area"] = (positions / 4).astype("<f8").view(np.uint8)
        columns["path"] = [f"bilder/ä-{rows.epoch}-{position}.jpg" for position in range(rows.first, rows.last)]
        return columns

    def params(self, rows: Positions) -> np.ndarray[Any, Any]:
        positions = np.arange(rows.first, rows.last, dtype=np.float32)
        return positions[:, None] * 100 + np.arange(len(PARAM_COLUMNS), dtype=np.float32)

    def chunk(self, rows: Positions) -> tuple[worker_pb2.ChunkHeader, bytes]:
        """What a worker sends."""
        info = self.info
        shapes = {view.name: (view.dtype, view.shape) for view in info.views}
        shapes |= {"_indices": ("int64", ()), "labels": ("int64", ()), "area": ("float64", ()), "path": ("string", ())}
        columns = []
        payload = b""
        for name, content in self.columns(rows).items():
            data = _strings(content) if isinstance(content, list) else content.tobytes()
            dtype, shape = shapes[name]
            columns.append(worker_pb2.Column(name=name, dtype=dtype, shape=shape, bytes=len(data)))
            payload += data
        for view in info.views:
            data = self.params(rows).tobytes()
            name, shape = f"params/{view.name}", (len(PARAM_COLUMNS),)
            columns.append(worker_pb2.Column(name=name, dtype="float32", shape=shape, bytes=len(data)))
            payload += data
        substitutions = []
        if rows.first == 0:
            substitutions.append(
                worker_pb2.Substitution(
                    row=0, original_index=5, delivered_index=rows.epoch, path="bad.jpg", code="SAMPLE_UNDECODABLE"
                )
            )
        header = worker_pb2.ChunkHeader(
            chunk=run_pb2.ChunkId(run_digest=info.digest, epoch=rows.epoch, first=rows.first, last=rows.last),
            samples=rows.last - rows.first,
            columns=columns,
            payload_bytes=len(payload),
            crc32=zlib.crc32(payload),
            substitutions=substitutions,
        )
        return header, payload

    def chunks_of(self, global_step: int, rank: int = 0, world_size: int = 1) -> list[Positions]:
        info = self.info
        return cut_chunks(info.plan.slice_of(global_step, rank, world_size), info.chunk_size)

    def batch(self, global_step: int, rank: int = 0, world_size: int = 1) -> Batch:
        """The batch that a trainer is to get, in NumPy."""
        info = self.info
        rows = info.plan.slice_of(global_step, rank, world_size)
        columns = self.columns(rows)
        dtypes = {"_indices": "<i8", "labels": "<i8", "area": "<f8"}
        content = {view.name: columns[view.name].view(view.dtype).reshape(-1, *view.shape) for view in info.views}
        content |= {name: columns[name].view(dtype) for name, dtype in dtypes.items()}
        return Batch({**content, "path": columns["path"]}, global_step=global_step)

    def digest(self, steps: Iterable[int], rank: int = 0, world_size: int = 1) -> str:
        digest = StreamDigest()
        for step in steps:
            digest.update(self.batch(step, rank, world_size))
        return digest.hex()


def _strings(values: list[str]) -> bytes:
    return b"".join(len(value.encode()).to_bytes(4, "little") + value.encode() for value in values)
