"""Makes src/golden/*: what Pillow itself gives for small images, for golden.test.ts.

Needs Pillow 12 (13 resizes in another order, see docs/kernels.md) and numpy: python scripts/make-golden.py
torchvision's kernel blur is computed here from its formula, in float64; results may differ by one level.
"""

import hashlib
import json
import pathlib

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "golden"
RNG = np.random.RandomState(20240607)


def smooth(width, height):
    """Gradients with soft noise: what photographs look like to a filter."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) * 3 % 256], -1)
    return np.clip(base + RNG.normal(0, 9, base.shape), 0, 255).astype(np.uint8)


def noise(width, height):
    return RNG.randint(0, 256, (height, width, 3)).astype(np.uint8)


def flats(width, height):
    """Greys, extremes and single-colour patches: where hue and saturation have their edges."""
    choice = RNG.choice([0, 1, 127, 128, 254, 255], (height, width, 3)).astype(np.uint8)
    choice[::3] = choice[::3, :, :1]
    return choice


IMAGES = {
    "photo": smooth(33, 27),
    "noise": noise(23, 19),
    "flats": flats(18, 13),
    "pixel": noise(1, 1),
    "row": noise(40, 1),
    "column": noise(1, 33),
    "wide": noise(150, 3),
}


def hue(image, factor):
    """torchvision's adjust_hue on a PIL image."""
    h, s, v = image.convert("HSV").split()
    shifted = np.array(h).astype(np.int64) + int(factor * 255)
    return Image.merge("HSV", (Image.fromarray((shifted % 256).astype(np.uint8)), s, v)).convert("RGB")


def kernel_blur(image, sigma, size):
    half = size // 2
    x = np.arange(-half, half + 1)
    kernel = np.exp(-0.5 * (x / sigma) ** 2)
    kernel /= kernel.sum()
    a = np.pad(np.array(image).astype(np.float64), ((half, half), (half, half), (0, 0)), mode="reflect")
    a = sum(w * a[i : i + image.height] for i, w in enumerate(kernel))
    a = sum(w * a[:, i : i + image.width] for i, w in enumerate(kernel))
    return Image.fromarray(np.clip(np.rint(a), 0, 255).astype(np.uint8))


def f32(value):
    return float(np.float32(value))


FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}


def cases():
    """(image name, operation, arguments, result)"""
    for name, pixels in IMAGES.items():
        image = Image.fromarray(pixels)
        for kind, mode in FILTERS.items():
            for size in ((16, 16), (33, 11), (7, 27), (1, 1), (50, 41)):
                if name in ("photo", "noise") or size in ((16, 16), (1, 1)):
                    yield name, "resize", [*size, kind], image.resize(size, mode)
        yield name, "grayscale", [], image.convert("L").convert("RGB")
        for sigma in (0, 0.1, 0.5, 1.0, 1.37, 2.0, 3.3, 12.5, 200.0):
            yield name, "gaussianBlur", [f32(sigma)], image.filter(ImageFilter.GaussianBlur(f32(sigma)))
        if name in ("row", "column", "wide"):
            continue
        for factor in (0, 0.6, 0.7123, 1, 1.2345, 1.4, 5, -0.5):
            factor = f32(factor)
            yield name, "brightness", [factor], ImageEnhance.Brightness(image).enhance(factor)
            yield name, "contrast", [factor], ImageEnhance.Contrast(image).enhance(factor)
            yield name, "saturation", [factor], ImageEnhance.Color(image).enhance(factor)
        for factor in (-0.5, -0.1, -0.037, 0, 0.05, 0.1, 0.5):
            yield name, "hue", [factor], hue(image, factor)
        for threshold in (0, 1, 128, 255, 256):
            yield name, "solarize", [threshold], ImageOps.solarize(image, threshold)
    for name in ("photo", "noise", "flats"):
        image = Image.fromarray(IMAGES[name])
        for sigma in (0.1, 0.7, 1.3, 2.0):
            yield name, "gaussianBlurKernel", [sigma, 9], kernel_blur(image, sigma, 9)
        yield name, "gaussianBlurKernel", [1.0, 3], kernel_blur(image, 1.0, 3)


def every_triple():
    """All 2^24 values of three bytes, counting up, as an image."""
    n = np.arange(1 << 24, dtype=np.uint32).reshape(4096, 4096)
    return np.stack([n >> 16, n >> 8, n], -1).astype(np.uint8)


def conversion_digests():
    """SHA-256 of what Pillow makes of every RGB and of every HSV triple, for prove-hue.mjs."""
    every = every_triple()
    hsv = Image.fromarray(every).convert("HSV")
    rgb = Image.merge("HSV", [Image.fromarray(every[..., c].copy()) for c in range(3)]).convert("RGB")
    return {
        name: hashlib.sha256(np.array(image).tobytes()).hexdigest()
        for name, image in (("rgbToHsv", hsv), ("hsvToRgb", rgb))
    }


def main():
    blob = bytearray()

    def put(pixels):
        """Pixels are at `offset` of the binary file; equal ones are stored once."""
        data = np.ascontiguousarray(pixels).tobytes()
        offset = blob.find(data)
        if offset < 0:
            offset = len(blob)
            blob.extend(data)
        height, width = pixels.shape[:2]
        return {"width": width, "height": height, "offset": offset}

    images = {name: put(pixels) for name, pixels in IMAGES.items()}
    results = [
        {"image": name, "operation": operation, "arguments": arguments, **put(np.array(result))}
        for name, operation, arguments, result in cases()
    ]
    OUT.mkdir(exist_ok=True)
    (OUT / "pillow.bin").write_bytes(blob)
    lines = ",\n".join(json.dumps(result) for result in results)
    head = json.dumps({"pillow": PIL.__version__, "conversions": conversion_digests(), "images": images})[:-1]
    (OUT / "pillow.json").write_text(f'{head}, "results": [\n{lines}\n]}}\n')
    print(f"{len(results)} results, {len(blob)} bytes, Pillow {PIL.__version__}")


if __name__ == "__main__":
    main()
