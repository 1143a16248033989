"""The stream digest: whether two streams are the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .batch import views_of

_OWN = ("_indices", "labels", "_params")


class StreamDigest:
    """SHA-256 over batches in the order they are given: the same as the TypeScript client's and `cropstream pull`'s.

    Of each batch every view's bytes in the spec's order, `_indices` and `labels` as little-endian int64, then the other
    delivered fields in the order of their names: strings as UTF-8 after a 32-bit little-endian length, numbers as 8
    little-endian bytes. It is of what came over the wire: give it batches of a loader without `dtype` and `as_list`.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, batch: Mapping[str, Any]) -> None:
        views = views_of(batch)
        for view in views.values():
            self._hash.update(_bytes_of(view))
        self._hash.update(_bytes_of(batch["_indices"]))
        self._hash.update(_bytes_of(batch["labels"]))
        for name in sorted(batch.keys() - views.keys() - set(_OWN), key=str.encode):
            column = batch[name]
            if not isinstance(column, list):
                self._hash.update(_bytes_of(column))
                continue
            for value in column:
                encoded = value.encode()
                self._hash.update(len(encoded).to_bytes(4, "little") + encoded)

    def hex(self) -> str:
        """Hexadecimal, of all batches so far; more may follow."""
        return self._hash.hexdigest()


def _bytes_of(array: Any) -> memoryview:
    if not isinstance(array, np.ndarray):
        import torch

        array = array.contiguous().cpu().reshape(-1).view(torch.uint8).numpy()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
