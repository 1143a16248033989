"""A batch's pixels are what Pillow and torchvision make of the parameters that came with it, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY, Service

from cropstream import MultiCropLoader

for needed in ("PIL", "torch", "torchvision"):
    pytest.importorskip(needed)

from PIL import Image, ImageFilter  # noqa: E402
from torchvision.transforms import InterpolationMode  # noqa: E402
from torchvision.transforms import functional as F  # noqa: E402, N812, the name that its users know

RECIPES: dict[str, Any] = json.loads((REPOSITORY / "docs" / "vectors" / "recipes.json").read_text())["recipes"]
ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
FACTORS = ("brightness", "contrast", "saturation", "hue")


def kernel_blurred(recipe: Mapping[str, Any]) -> bool:
    """Whether a view has torchvision's blur, which is held to one level elsewhere (tests/parity)."""
    chains = (view["transforms"] for view in recipe["views"])
    return any(transform.get("kind") == "torchvision" for chain in chains for transform in chain)


def jittered(image: Any, row: Mapping[str, Any]) -> Any:
    for number in row["jitter_order"]:
        if not np.isnan(number):
            image = ADJUST[int(number)](image, float(row[FACTORS[int(number)]]))
    return image


def made_by_pillow(image: Any, chain: list[dict[str, Any]], row: Mapping[str, Any]) -> Any:
    """The chain, by the parameters of one sample's view."""
    for of in chain:
        match of["name"]:
            case "random_resized_crop":
                left, top, width, height = map(int, row["box"])
                mode = InterpolationMode(of["interpolation"])
                image = F.resized_crop(image, top, left, height, width, of["size"], mode)
            case "resize":
                image = F.resize(image, of["size"], InterpolationMode(of["interpolation"]))
            case "center_crop":
                image = F.center_crop(image, of["size"])
            case "horizontal_flip":
                image = F.hflip(image) if row["flip"] else image
            case "color_jitter":
                image = jittered(image, row)
            case "grayscale":
                image = F.rgb_to_grayscale(image, num_output_channels=3) if row["grayscale"] else image
            case "gaussian_blur" if not np.isnan(row["blur_sigma"]):
                image = image.filter(ImageFilter.GaussianBlur(float(row["blur_sigma"])))
            case "solarize" if not np.isnan(row["solarize_threshold"]):
                image = F.solarize(image, float(row["solarize_threshold"]))
    return image


@pytest.mark.parametrize("recipe", [name for name, recipe in RECIPES.items() if not kernel_blurred(recipe)])
def test_a_batch_is_what_pillow_and_torchvision_make(service: Service, images: Path, recipe: str) -> None:
    spec = {
        "name": f"parity-{recipe}",
        "dataset": {"source": "image-folder", "url": str(images)},
        "recipe": recipe,
        "seed": 3,
        "global_batch_size": 6,
    }
    with MultiCropLoader(service.target, spec=spec, framework="numpy", return_params=True) as loader:
        batch = next(iter(loader))
        chains = {view["name"]: view["transforms"] for view in json.loads(loader.run.spec_json)["views"]}
    assert list(chains) == [view["name"] for view in RECIPES[recipe]["views"]]
    for name, pixels in batch.views.items():
        for sample, path in enumerate(batch["path"]):
            row = {parameter: values[sample] for parameter, values in batch["_params"][name].items()}
            source = Image.open(images / path).convert("RGB")
            expected = np.asarray(made_by_pillow(source, chains[name], row)).transpose(2, 0, 1)
            assert np.array_equal(pixels[sample], expected), f"{name} of {path}"
