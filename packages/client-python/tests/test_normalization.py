"""The bits of torchvision's ToTensor and Normalize."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cropstream import IMAGENET_MEAN, IMAGENET_STD, normalize
from cropstream.errors import SpecInvalid
from cropstream.normalization import bfloat16_bits

EVERY = np.stack([np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, axis=0)] * 2)
"""[2, 3, 16, 16]: every value in every channel."""


def expected() -> Any:
    """torchvision's formula in NumPy, one float32 operation after the other."""
    scaled = EVERY.astype(np.float32) / np.float32(255)
    mean, std = (np.asarray(values, np.float32).reshape(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (scaled - mean) / std


def test_numpy() -> None:
    assert np.array_equal(normalize(EVERY), expected())
    assert np.array_equal(normalize(EVERY[0]), expected()[0])
    nhwc = np.ascontiguousarray(EVERY.transpose(0, 2, 3, 1))
    assert np.array_equal(normalize(nhwc, layout="nhwc"), expected().transpose(0, 2, 3, 1))
    half = normalize(EVERY, dtype=np.float16)
    assert half.dtype == np.float16
    assert np.array_equal(half, expected().astype(np.float16))


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    images = torch.from_numpy(EVERY)
    # As torchvision writes it.
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    reference = images.to(torch.float32).div(255).sub_(mean).div_(std)
    assert torch.equal(reference, torch.from_numpy(expected()))
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        result = normalize(images, dtype=dtype)
        assert result.dtype is dtype
        assert torch.equal(result, reference.to(dtype))
        last = normalize(images, dtype=dtype, channels_last=True)
        assert torch.equal(last, reference.to(dtype))
        assert last.is_contiguous(memory_format=torch.channels_last)
    nhwc = images.permute(0, 2, 3, 1).contiguous()
    assert torch.equal(normalize(nhwc, layout="nhwc"), reference.permute(0, 2, 3, 1))
    last = normalize(nhwc, layout="nhwc", channels_last=True)
    assert last.shape == images.shape
    assert torch.equal(last, reference)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, torch.from_numpy(EVERY)), "the input is left alone"


def test_torch_on_its_device() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    result = normalize(torch.from_numpy(EVERY).cuda())
    assert result.is_cuda
    assert torch.equal(result.cpu(), torch.from_numpy(expected()))


def test_torchvision_itself() -> None:
    torch = pytest.importorskip("torch")
    transforms = pytest.importorskip("torchvision.transforms")
    image = pytest.importorskip("PIL.Image").fromarray(EVERY[0].transpose(1, 2, 0))
    theirs = transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)(transforms.ToTensor()(image))
    assert torch.equal(normalize(torch.from_numpy(EVERY[0])), theirs)


def test_bfloat16_rounds_to_nearest_even() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(4).standard_normal(4096).astype(np.float32)
    # Exactly between two, both ways.
    values[:2] = np.array([0x3F808000, 0x3F818000], np.uint32).view(np.float32)
    theirs = torch.from_numpy(values).to(torch.bfloat16).view(torch.uint16).numpy()
    assert np.array_equal(bfloat16_bits(values), theirs)
    assert np.array_equal(normalize(EVERY, dtype="bfloat16"), bfloat16_bits(expected()))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"dtype": "int8"}, "dtype"),
        ({"layout": "chwn"}, "layout"),
        ({"mean": (0.5,)}, "mean and std"),
        ({"channels_last": True}, "channels_last"),
        ({"images": EVERY.astype(np.float32)}, "images"),
        ({"images": EVERY[0, 0]}, "images"),
    ],
)
def test_names_what_is_wrong(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        normalize(**{"images": EVERY, **arguments})
    assert caught.value.details["field"] == field
