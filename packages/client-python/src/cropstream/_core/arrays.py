"""Where batches lie in memory: PyTorch tensors, or NumPy arrays where PyTorch is not installed or not wanted."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import SpecInvalid

Array = Any
"""A torch.Tensor or a numpy.ndarray."""
Bytes = npt.NDArray[np.uint8]

_NUMPY_DTYPES: dict[str, npt.DTypeLike] = {
    "uint8": np.uint8,
    "float32": np.float32,
    "float16": np.float16,
    # NumPy has no bfloat16: its bits.
    "bfloat16": np.uint16,
    "int64": np.int64,
    "float64": np.float64,
}


class Framework(Protocol):
    name: str

    def empty(self, dtype: str, shape: tuple[int, ...]) -> tuple[Array, Bytes]:
        """An array of any content, C order, and its memory as bytes."""

    def to_device(self, array: Array) -> Array:
        """The array where the trainer computes."""


class NumpyFramework:
    name = "numpy"

    def empty(self, dtype: str, shape: tuple[int, ...]) -> tuple[Array, Bytes]:
        array = np.empty(shape, _NUMPY_DTYPES[dtype])
        return array, array.reshape(-1).view(np.uint8)

    def to_device(self, array: Array) -> Array:
        return array


class TorchFramework:
    name = "torch"

    def __init__(self, device: object = None, pin_memory: bool = False) -> None:
        import torch

        self._torch = torch
        # As torch's own DataLoader: without an accelerator there is nothing to pin for, and that is no reason to stop.
        self._pin = pin_memory and torch.cuda.is_available()
        if pin_memory and not self._pin:
            warnings.warn("pin_memory has no effect: PyTorch sees no CUDA device", stacklevel=4)
        try:
            self.device = None if device is None else torch.device(device)  # type: ignore[call-overload]
        except (RuntimeError, TypeError) as error:
            raise SpecInvalid(field="device", value=str(device), allowed="a torch device") from error

    def empty(self, dtype: str, shape: tuple[int, ...]) -> tuple[Array, Bytes]:
        torch = self._torch
        tensor = torch.empty(shape, dtype=getattr(torch, dtype), pin_memory=self._pin)
        return tensor, tensor.reshape(-1).view(torch.uint8).numpy()

    def to_device(self, array: Array) -> Array:
        return array if self.device is None else array.to(self.device, non_blocking=self._pin)


def choose_framework(name: str | None, device: object, pin_memory: bool) -> Framework:
    """The framework of that name; by default torch where it is installed. Raises SpecInvalid."""
    if name not in (None, "torch", "numpy"):
        raise SpecInvalid(field="framework", value=str(name), allowed="torch or numpy")
    installed = importlib.util.find_spec("torch") is not None
    if name == "torch" and not installed:
        raise SpecInvalid(field="framework", value="torch", allowed="numpy: PyTorch is not installed")
    if name == "numpy" or not installed:
        for field, value in (("device", device), ("pin_memory", pin_memory or None)):
            if value is not None:
                raise SpecInvalid(field=field, value=str(value), allowed="nothing without PyTorch")
        return NumpyFramework()
    return TorchFramework(device, pin_memory)
