"""Applies what `cropstream augment` wrote with Pillow, and compares every pixel.

    python augment_params.py --images DATASET --augmented OUT [--json]

OUT holds a folder an image, with params.json and <view>.png (what `cropstream augment --data DATASET --out OUT`
writes). Each view is made again here from DATASET's file and the parameters alone, by Pillow's own operations
in the order of the parameters' keys. Equal means every bit; a view with torchvision's kernel blur may differ by
one level. Exits with 1 where one differs by more, or where nothing was compared.

For Pillow 9.4 to 12.3: Pillow 13 resizes columns first for some sizes, which gives other pixels. There nothing is
compared, and the script exits with 3.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

INTERPOLATION = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def hue(image, factor):
    """torchvision.transforms.functional's adjust_hue on the PIL backend."""
    h, s, v = image.convert("HSV").split()
    shift = int(factor * 255)
    return Image.merge("HSV", (h.point(lambda value: (value + shift) % 256), s, v)).convert("RGB")


ENHANCERS = {
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "saturation": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "hue": hue,
}


def kernel_blur(image, sigma, size):
    """torchvision's GaussianBlur: a float32 kernel, edges reflected, rounded half to even."""
    x = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    kernel = np.exp(np.float32(-0.5) * (x / np.float32(sigma)) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float64)
    pixels = np.asarray(image).astype(np.float64)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (size // 2, size // 2)
        padded = np.pad(pixels, pad, mode="reflect")
        length = pixels.shape[axis]
        slices = (np.take(padded, range(i, i + length), axis) * weight for i, weight in enumerate(kernel))
        pixels = sum(slices)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def box(image, value, params):
    x, y, width, height = value
    size = params["size"]
    size = (size, size) if isinstance(size, int) else tuple(size)
    return image.crop((x, y, x + width, y + height)).resize(size, INTERPOLATION[params["interpolation"]])


def center_crop(image, value, params):
    x, y, width, height = value
    return image.crop((x, y, x + width, y + height))


def color_jitter(image, value, params):
    for name in value["order"]:
        image = ENHANCERS[name](image, value[name])
    return image


def blur(image, value, params):
    if value["kind"] == "torchvision":
        return kernel_blur(image, value["sigma"], value["kernel_size"])
    return image.filter(ImageFilter.GaussianBlur(value["sigma"]))


# Keys of params.json; each is applied where it stands.
STEPS = {
    "box": box,
    "resize": lambda image, value, params: image.resize(tuple(value), INTERPOLATION[params["interpolation"]]),
    "center_crop": center_crop,
    "flip": lambda image, value, params: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "color_jitter": color_jitter,
    "grayscale": lambda image, value, params: ImageOps.grayscale(image).convert("RGB"),
    "blur": blur,
    "solarize": lambda image, value, params: ImageOps.solarize(image, value),
}
TOO_NEW = 3
BELONG_TO_ANOTHER = {"size", "interpolation"}


def apply(image, params):
    for key, value in params.items():
        if key in BELONG_TO_ANOTHER or value is None or value is False:
            continue
        image = STEPS[key](image, value, params)
    return image


def compare(folder, images):
    """Yields (view, largest difference in levels, levels allowed) for each view of an image."""
    record = json.loads((folder / "params.json").read_text())
    source = Image.open(images / record["image"])
    if record["draft"] is not None:
        source.draft(None, (record["draft"], record["draft"]))
    if record["exif"]["applied"]:
        source = ImageOps.exif_transpose(source)
    source = source.convert("RGB")
    if source.size != (record["source"]["width"], record["source"]["height"]):
        yield "source", 255, 0
        return
    for name, params in record["views"].items():
        ours = np.asarray(Image.open(folder / f"{name}.png").convert("RGB")).astype(np.int16)
        theirs = np.asarray(apply(source, params)).astype(np.int16)
        difference = 255 if ours.shape != theirs.shape else int(np.abs(ours - theirs).max())
        applied_blur = params.get("blur")
        yield name, difference, 1 if applied_blur and applied_blur["kind"] == "torchvision" else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--augmented", type=pathlib.Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if int(PIL.__version__.split(".")[0]) >= 13:
        print(f"Pillow {PIL.__version__} resizes columns first for some sizes: the pixels are those of Pillow 9.4 to 12.3. "
              'Compare with one of these: pip install "pillow<13"', file=sys.stderr)
        return TOO_NEW
    result = {"images": 0, "views": 0, "equal": 0, "within_one_level": 0, "different": []}
    for file in sorted(options.augmented.rglob("params.json")):
        result["images"] += 1
        for view, difference, allowed in compare(file.parent, options.images):
            result["views"] += 1
            if difference == 0:
                result["equal"] += 1
            elif difference <= allowed:
                result["within_one_level"] += 1
            else:
                where = str(file.parent.relative_to(options.augmented))
                result["different"].append({"image": where, "view": view, "levels": difference})
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['images']} images, {result['views']} views: {result['equal']} equal in every bit, "
              f"{result['within_one_level']} within one level, {len(result['different'])} different")
        for different in result["different"][:20]:
            print("  {image} {view}: {levels} levels".format(**different))
    return 1 if result["different"] or result["views"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
