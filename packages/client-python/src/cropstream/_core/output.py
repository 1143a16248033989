"""From what came over the wire to what the trainer asked for: device, dtype, list or dictionary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batch import Batch, view_params
from ..errors import SpecInvalid
from ..normalization import FLOAT_DTYPES, bfloat16_bits, dtype_name, normalize
from .arrays import Array, Framework
from .run import RunInfo, ViewInfo


@dataclass(frozen=True)
class OutputOptions:
    as_list: bool
    dtype: Any
    channels_last: bool
    params: bool


class Output:
    """Raises SpecInvalid: options that do not go together, or not with the run's views."""

    def __init__(self, run: RunInfo, framework: Framework, options: OutputOptions) -> None:
        self._run = run
        self._framework = framework
        self._as_list = options.as_list
        self._channels_last = options.channels_last
        dtype = options.dtype
        self._dtype = None if dtype is None else dtype_name(dtype, ("uint8", *FLOAT_DTYPES))
        if self._as_list and options.params:
            allowed = "False with as_list, whose batches have no place for them"
            raise SpecInvalid(field="return_params", value="True", allowed=allowed)
        if self._channels_last and framework.name != "torch":
            raise SpecInvalid(field="channels_last", value="True", allowed="PyTorch only")
        if self._dtype == "uint8":
            floats = [view.name for view in run.views if view.dtype != "uint8"]
            if floats:
                allowed = f"a float: the run itself normalises {', '.join(floats)}"
                raise SpecInvalid(field="dtype", value="uint8", allowed=allowed)
        self._nhwc = json.loads(run.spec_json).get("output", {}).get("layout") == "nhwc"

    def __call__(self, batch: Batch) -> Any:
        content = {name: self._moved(value) for name, value in batch.items()}
        for view in self._run.views:
            content[view.name] = self._converted(content[view.name], view)
        if "_params" in content:
            content["_params"] = {name: view_params(table) for name, table in content["_params"].items()}
        if self._as_list:
            return [content[view.name] for view in self._run.views], content["labels"]
        return batch.replace(content)

    def _moved(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        if isinstance(value, dict):
            return {name: self._moved(item) for name, item in value.items()}
        return self._framework.to_device(value)

    def _converted(self, images: Array, view: ViewInfo) -> Array:
        layout = "nhwc" if self._nhwc else "nchw"
        dtype = self._dtype or ("float32" if self._as_list and view.dtype == "uint8" else view.dtype)
        if dtype != view.dtype:
            images = self._cast(images, view, dtype, layout)
        if self._nhwc and (self._as_list or self._channels_last):
            # A view of the same memory: [B, C, H, W] for models, in what PyTorch calls channels_last.
            return images.movedim(-1, -3) if self._framework.name == "torch" else np.moveaxis(images, -1, -3)
        if self._channels_last:
            import torch

            return images.contiguous(memory_format=torch.channels_last)
        return images

    def _cast(self, images: Array, view: ViewInfo, dtype: str, layout: str) -> Array:
        if view.dtype == "uint8":
            return normalize(images, self._run.mean, self._run.std, dtype=dtype, layout=layout)
        if self._framework.name == "torch":
            import torch

            return images.to(getattr(torch, dtype))
        values = (images.astype(np.uint32) << 16).view(np.float32) if view.dtype == "bfloat16" else images
        values = values.astype(np.float32, copy=False)
        return bfloat16_bits(values) if dtype == "bfloat16" else values.astype(dtype, copy=False)
