"""uint8 images to normalised floats, where the trainer computes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import SpecInvalid

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FLOAT_DTYPES = ("float32", "float16", "bfloat16")


def normalize(
    images: Any,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    *,
    dtype: Any = "float32",
    layout: str = "nchw",
    channels_last: bool = False,
) -> Any:
    """`(images / 255 - mean) / std` by channel, on the images' device: in float32 the bits of torchvision's ToTensor
    and Normalize, on CPU and GPU alike; in float16 and bfloat16 those, rounded once.

    Args:
        images: uint8, [B, C, H, W] (or [C, H, W]) under `layout="nchw"`, [B, H, W, C] (or [H, W, C]) under `"nhwc"`.
        mean, std: of each channel, of values in [0, 1]. `loader.run.mean` and `.std` are the recipe's.
        dtype: float32, float16 or bfloat16, as a name or a dtype. NumPy has no bfloat16: its bits, as uint16.
        layout: of `images`. The result has it too, unless `channels_last` is set.
        channels_last: of PyTorch only: a [B, C, H, W] tensor in `torch.channels_last` memory, whatever the layout. From
            `"nhwc"` that costs nothing.

    Raises SpecInvalid: an argument that is not as above.
    """
    name = dtype_name(dtype, FLOAT_DTYPES)
    if layout not in ("nchw", "nhwc"):
        raise SpecInvalid(field="layout", value=str(layout), allowed="nchw or nhwc")
    if images.ndim not in (3, 4):
        raise SpecInvalid(field="images", value=f"{images.ndim}-d", allowed="3-d or 4-d")
    channels = images.shape[-3 if layout == "nchw" else -1]
    if not len(mean) == len(std) == channels:
        given = f"{len(mean)} and {len(std)} values"
        raise SpecInvalid(field="mean and std", value=given, allowed=f"{channels} values each, one a channel")
    if "uint8" not in str(images.dtype):
        raise SpecInvalid(field="images", value=str(images.dtype), allowed="uint8")
    if isinstance(images, np.ndarray):
        if channels_last:
            raise SpecInvalid(field="channels_last", value="True", allowed="PyTorch tensors only")
        return _normalize_numpy(images, mean, std, name, layout)
    return _normalize_torch(images, mean, std, name, layout, channels_last)


def _normalize_torch(
    images: Any, mean: Sequence[float], std: Sequence[float], dtype: str, layout: str, channels_last: bool
) -> Any:
    import torch

    def by_channel(values: Sequence[float]) -> torch.Tensor:
        tensor = torch.tensor(values, dtype=torch.float32, device=images.device)
        return tensor.view(-1, 1, 1) if layout == "nchw" else tensor

    # By a tensor on the device: CUDA divides by a number as a product with its reciprocal, one bit off.
    white = torch.tensor(255.0, dtype=torch.float32, device=images.device)
    result = images.to(torch.float32).div_(white).sub_(by_channel(mean)).div_(by_channel(std))
    result = result.to(getattr(torch, dtype))
    if not channels_last:
        return result
    if layout == "nhwc":
        return result.movedim(-1, -3)
    return result.contiguous(memory_format=torch.channels_last)


def _normalize_numpy(
    images: npt.NDArray[np.uint8], mean: Sequence[float], std: Sequence[float], dtype: str, layout: str
) -> npt.NDArray[Any]:
    def by_channel(values: Sequence[float]) -> npt.NDArray[np.float32]:
        array = np.asarray(values, np.float32)
        return array.reshape(-1, 1, 1) if layout == "nchw" else array

    result = images.astype(np.float32)
    result /= np.float32(255)
    result -= by_channel(mean)
    result /= by_channel(std)
    if dtype == "bfloat16":
        return bfloat16_bits(result)
    return result.astype(dtype, copy=False)


def bfloat16_bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """float32 rounded to bfloat16 (to nearest, halves to even), as its bits. Not for NaN."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def dtype_name(dtype: Any, allowed: tuple[str, ...]) -> str:
    """The name of a torch or NumPy dtype, or of a name. Raises SpecInvalid where it is none of those allowed."""
    name = str(dtype).removeprefix("torch.")
    if name not in allowed and not isinstance(dtype, str):
        with contextlib.suppress(TypeError):
            name = np.dtype(dtype).name
    if name not in allowed:
        raise SpecInvalid(field="dtype", value=str(dtype), allowed=", ".join(allowed))
    return name
