"""A multi-crop recipe by another library, on one thread: answers each line of JSON on stdin with one on stdout.

    python peers.py LIBRARY RECIPE FOLDER
    LIBRARY torchvision | torchvision-published | pillow | opencv, RECIPE dino | decode | cifar10

Every library reads the same files, decodes each once, and writes uint8 into a batch's arrays [64, 3, H, W], as Cropstream
does. Only `torchvision-published` ends its views as facebookresearch/dino's code does: ToTensor and Normalize, float32.
RECIPE `decode` is decoding alone, `cifar10` reads a folder's `pixels.bin` of raw 32 x 32 pixels.
"""

from __future__ import annotations

import io
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402  (after the number of threads was set)

BATCH = 64


class View(NamedTuple):
    size: int
    scale: tuple[float, float]
    blur_p: float
    solarize_p: float = 0.0
    jitter_p: float = 0.8
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1)
    sigma: tuple[float, float] = (0.1, 2.0)


DINO = [View(224, (0.4, 1.0), 1.0), View(224, (0.4, 1.0), 0.1, 0.2)] + [View(96, (0.05, 0.4), 0.5)] * 8
CIFAR = {"jitter_p": 1.0, "sigma": (0.1, 1.0)}
CIFAR10 = [
    View(32, (0.7, 1.0), 1.0, 0.0, jitter=(0.4, 0.4, 0.4, 0.1), **CIFAR),
    View(32, (0.7, 1.0), 1.0, 1.0, jitter=(0.4, 0.4, 0.4, 0.1), **CIFAR),
] + [View(16, (0.3, 0.7), 1.0, 0.0, jitter=(0.3, 0.3, 0.3, 0.1), **CIFAR)] * 6
RECIPES = {"dino": DINO, "decode": [], "cifar10": CIFAR10}


def sample_box(width: int, height: int, scale: tuple[float, float]) -> tuple[int, int, int, int]:
    """torchvision's RandomResizedCrop.get_params."""
    for _ in range(10):
        area = width * height * random.uniform(*scale)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, width - w), random.randint(0, height - h), w, h
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side, side


def jitter_factors(jitter: tuple[float, float, float, float]) -> list[tuple[str, float]]:
    b, c, s, h = jitter
    factors = [
        ("brightness", random.uniform(1 - b, 1 + b)),
        ("contrast", random.uniform(1 - c, 1 + c)),
        ("saturation", random.uniform(1 - s, 1 + s)),
        ("hue", random.uniform(-h, h)),
    ]
    random.shuffle(factors)
    return factors


def with_torchvision(views: list[View], published: bool = False) -> tuple[Callable, Callable, str]:
    """torchvision's transforms on PIL images, as facebookresearch/dino writes them."""
    import types

    # torchvision's compiled operators are not needed, and no CPU build of them is published.
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("stub")
    import PIL
    import torch
    import torchvision
    from PIL import Image, ImageFilter, ImageOps
    from torchvision import transforms as T

    torch.set_num_threads(1)

    class Blur:
        def __init__(self, p: float, sigma: tuple[float, float]) -> None:
            self.p, self.sigma = p, sigma

        def __call__(self, image: Image.Image) -> Image.Image:
            if random.random() >= self.p:
                return image
            return image.filter(ImageFilter.GaussianBlur(random.uniform(*self.sigma)))

    class Solarize:
        def __init__(self, p: float) -> None:
            self.p = p

        def __call__(self, image: Image.Image) -> Image.Image:
            return ImageOps.solarize(image) if random.random() < self.p else image

    def chain(view: View) -> Callable:
        crop = T.RandomResizedCrop(
            view.size, scale=view.scale, interpolation=T.InterpolationMode.BICUBIC, antialias=True
        )
        jitter = T.RandomApply([T.ColorJitter(*view.jitter)], p=view.jitter_p)
        steps = [crop, T.RandomHorizontalFlip(0.5), jitter, T.RandomGrayscale(0.2), Blur(view.blur_p, view.sigma)]
        last = [T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))] if published else []
        return T.Compose([*steps, *([Solarize(view.solarize_p)] if view.solarize_p else []), *last])

    chains = [chain(view) for view in views]

    def make(image: Image.Image, out: list[np.ndarray], row: int) -> None:
        for made, array in zip(chains, out, strict=True):
            view = made(image)
            array[row] = view.numpy() if published else np.asarray(view).transpose(2, 0, 1)

    version = f"torchvision {torchvision.__version__}, torch {torch.__version__}, Pillow {PIL.__version__}"
    return open_pillow, make, version


def open_pillow(data: bytes | np.ndarray):
    from PIL import Image

    if isinstance(data, np.ndarray):
        return Image.fromarray(data)
    return Image.open(io.BytesIO(data)).convert("RGB")


def with_pillow(views: list[View]) -> tuple[Callable, Callable, str]:
    """The same operations, called on Pillow itself."""
    import PIL
    from PIL import Image, ImageEnhance, ImageFilter, ImageOps

    enhance = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }

    def hue(image: Image.Image, factor: float) -> Image.Image:
        h, s, v = image.convert("HSV").split()
        shift = np.uint8(int(factor * 255) & 255)
        return Image.merge("HSV", (Image.fromarray(np.asarray(h) + shift), s, v)).convert("RGB")

    def make(image: Image.Image, out: list[np.ndarray], row: int) -> None:
        for view, array in zip(views, out, strict=True):
            x, y, w, h = sample_box(*image.size, view.scale)
            crop = image.crop((x, y, x + w, y + h)).resize((view.size, view.size), Image.Resampling.BICUBIC)
            if random.random() < 0.5:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if random.random() < view.jitter_p:
                for name, factor in jitter_factors(view.jitter):
                    crop = hue(crop, factor) if name == "hue" else enhance[name](crop).enhance(factor)
            if random.random() < 0.2:
                crop = crop.convert("L").convert("RGB")
            if random.random() < view.blur_p:
                crop = crop.filter(ImageFilter.GaussianBlur(random.uniform(*view.sigma)))
            if random.random() < view.solarize_p:
                crop = ImageOps.solarize(crop)
            array[row] = np.asarray(crop).transpose(2, 0, 1)

    return open_pillow, make, f"Pillow {PIL.__version__}"


def with_opencv(views: list[View]) -> tuple[Callable, Callable, str]:
    """The same recipe as one writes it by hand for speed; its pixels are not Pillow's."""
    import cv2

    cv2.setNumThreads(1)
    levels = np.arange(256, dtype=np.float32)

    def table(values: np.ndarray) -> np.ndarray:
        return np.clip(values, 0, 255).astype(np.uint8)

    def jittered(image: np.ndarray, view: View) -> np.ndarray:
        for name, factor in jitter_factors(view.jitter):
            if name == "brightness":
                image = cv2.LUT(image, table(levels * factor))
            elif name == "contrast":
                mean = round(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0])
                image = cv2.LUT(image, table(mean + (levels - mean) * factor))
            elif name == "saturation":
                grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
                image = cv2.addWeighted(image, factor, grey, 1 - factor, 0)
            else:
                hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
                hsv[..., 0] += np.uint8(int(factor * 255) & 255)
                image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
        return image

    def decode(data: bytes | np.ndarray) -> np.ndarray:
        if isinstance(data, np.ndarray):
            return data
        return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def make(image: np.ndarray, out: list[np.ndarray], row: int) -> None:
        height, width = image.shape[:2]
        for view, array in zip(views, out, strict=True):
            x, y, w, h = sample_box(width, height, view.scale)
            how = cv2.INTER_AREA if w * h > view.size**2 else cv2.INTER_CUBIC
            crop = cv2.resize(image[y : y + h, x : x + w], (view.size, view.size), interpolation=how)
            if random.random() < 0.5:
                crop = cv2.flip(crop, 1)
            if random.random() < view.jitter_p:
                crop = jittered(crop, view)
            if random.random() < 0.2:
                crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            if random.random() < view.blur_p:
                crop = cv2.GaussianBlur(crop, (0, 0), random.uniform(*view.sigma))
            if random.random() < view.solarize_p:
                crop = cv2.LUT(crop, table(np.where(levels < 128, levels, 255 - levels)))
            for channel, plane in enumerate(cv2.split(crop)):
                array[row, channel] = plane

    return decode, make, f"OpenCV {cv2.__version__}"


LIBRARIES = {
    "torchvision": with_torchvision,
    "torchvision-published": partial(with_torchvision, published=True),
    "pillow": with_pillow,
    "opencv": with_opencv,
}


def samples(recipe: str, folder: Path) -> Iterator[bytes | np.ndarray]:
    """Over and over; files are read each time, as a loader reads them."""
    if recipe == "cifar10":
        pixels = np.fromfile(folder / "pixels.bin", np.uint8).reshape(-1, 32, 32, 3)
        while True:
            yield from pixels
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    random.Random(0).shuffle(paths)
    while True:
        for path in paths:
            yield path.read_bytes()


def main() -> None:
    library, recipe, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    views = RECIPES[recipe]
    decode, make, version = LIBRARIES[library](views)
    source = samples(recipe, folder)
    dtype = np.float32 if library == "torchvision-published" else np.uint8
    out = [np.empty((BATCH, 3, view.size, view.size), dtype) for view in views]
    print(json.dumps({"ready": version}), flush=True)
    for line in sys.stdin:
        images = json.loads(line)["images"]
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(images):
            image = decode(next(source))
            if views:
                make(image, out, number % BATCH)
            elif library != "opencv":
                image.load()
        spent = {"wall_ms": 1000 * (time.perf_counter() - began), "cpu_ms": 1000 * (time.process_time() - cpu)}
        print(json.dumps({"images": images, **spent}), flush=True)


if __name__ == "__main__":
    main()
