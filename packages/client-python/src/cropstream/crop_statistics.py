"""What crops a loader yields, in numbers: sizes, how many an image, how much of the source each covers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from .batch import Crops, split_crops, views_of
from .errors import SpecInvalid

Size = tuple[int, int]


@dataclass(frozen=True)
class CropStatistics:
    """What `analyze_crop_statistics` found."""

    batches: int
    global_sizes: set[Size]
    """(height, width) of the global crops."""
    local_sizes: set[Size]
    global_crops: int
    """Of one image."""
    local_crops: int
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By view: least and most of the source's area that a crop covers. Empty without `return_params`."""


def analyze_crop_statistics(dataloader: Any, n_batches: int = 10) -> CropStatistics:
    """Prints the sizes and numbers of the next batches' crops, and of a loader with `return_params` the share of the
    source that they cover, beside the range that the spec gives. Boxes are whole pixels, so those of small images go a
    little beyond the range.

    A MultiCropLoader is put back to where it was.

    Args:
        dataloader: a MultiCropLoader, or whatever yields its batches, or `(crops, labels)` with the globals first and a
            `split_crops(crops)` of its own.
        n_batches: batches drawn, at most.

    Raises SpecInvalid: nothing was drawn.
    """
    sizes: tuple[set[Size], set[Size]] = (set(), set())
    scales: dict[str, list[npt.NDArray[np.float32]]] = {}
    batches, crops = 0, Crops([], [])
    with drawn_from(dataloader, n_batches) as drawn:
        for batch in drawn:
            batches += 1
            crops = crops_of(dataloader, batch)
            for found, views in zip(sizes, crops, strict=True):
                found.update(size_of(view) for view in views)
            if isinstance(batch, Mapping) and "_params" in batch:
                for name, values in crop_scales(batch).items():
                    scales.setdefault(name, []).append(values)
    if batches == 0:
        raise SpecInvalid(field="n_batches", value=n_batches, allowed="at least 1, of a loader with batches left")
    ranges = {name: (float(np.min(parts)), float(np.max(parts))) for name, parts in join(scales).items()}
    statistics = CropStatistics(batches, sizes[0], sizes[1], len(crops.globals), len(crops.locals), ranges)
    _print(statistics, configured_scales(dataloader))
    return statistics


def _print(statistics: CropStatistics, configured: Mapping[str, tuple[float, float]]) -> None:
    print(f"Multi-crop statistics of {statistics.batches} batches")
    for name, sizes, count in (
        ("Global", statistics.global_sizes, statistics.global_crops),
        ("Local", statistics.local_sizes, statistics.local_crops),
    ):
        described = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)) or "none"
        print(f"{name} crops")
        print(f"   Crop sizes: {described}")
        print(f"   Number per image: {count}")
    for view, (least, most) in statistics.scales.items():
        asked = f" of a configured {configured[view][0]:g} - {configured[view][1]:g}" if view in configured else ""
        print(f"   Scale of {view}: {least:.3f} - {most:.3f}{asked}")
    print(f"Total crops per image: {statistics.global_crops + statistics.local_crops}")
    if statistics.global_crops:
        print(f"   Ratio local/global: {statistics.local_crops / statistics.global_crops:.1f}")


def crop_scales(batch: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float32]]:
    """By view: the share of the source's area that each crop covers, [B], in (0, 1]; views without a random crop are
    left out.

    Raises SpecInvalid: a batch without parameters.
    """
    if "_params" not in batch:
        raise SpecInvalid(field="return_params", value="False", allowed="True: scales are measured on the boxes")
    scales = {}
    for view, params in batch["_params"].items():
        box, source = np.asarray(params["box"]), np.asarray(params["source_size"])
        share = (box[:, 2] * box[:, 3] / (source[:, 0] * source[:, 1])).astype(np.float32)
        if not np.isnan(share).all():
            scales[view] = share
    return scales


def configured_scales(loader: Any) -> dict[str, tuple[float, float]]:
    """By view: the `scale` of the spec; nothing for what is no MultiCropLoader."""
    run = getattr(loader, "run", None)
    views = json.loads(run.spec_json)["views"] if run is not None else []
    return {
        view["name"]: tuple(view["transforms"][0]["scale"])
        for view in views
        if view["transforms"] and "scale" in view["transforms"][0]
    }


def join(parts: Mapping[str, list[npt.NDArray[np.float32]]]) -> dict[str, npt.NDArray[np.float32]]:
    return {name: np.concatenate(values) for name, values in parts.items()}


@contextmanager
def drawn_from(loader: Any, n_batches: int) -> Iterator[Iterator[Any]]:
    """The next batches; afterwards the loader stands where it stood, if it is one that can."""
    can_return = hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")
    state = loader.state_dict() if can_return else None
    try:
        yield islice(iter(loader), n_batches)
    finally:
        if can_return:
            loader.load_state_dict(state)


def crops_of(loader: Any, batch: Any) -> Crops:
    """The globals and locals of a batch, be it of named views or `(crops, labels)`."""
    if isinstance(batch, Mapping):
        return split_crops(batch)
    crops = list(batch[0])
    if hasattr(loader, "split_crops"):
        return Crops(*(list(part) for part in loader.split_crops(crops)))
    run = getattr(loader, "run", None)
    names = [view.name for view in run.views] if run is not None else [str(place) for place in range(len(crops))]
    return split_crops(dict(zip(names, crops, strict=True)))


def kind_of_views(batch: Mapping[str, Any]) -> dict[str, str]:
    """By view: `global` or `local`."""
    globals_ = split_crops(batch).globals
    return {
        name: "global" if any(view is other for other in globals_) else "local"
        for name, view in views_of(batch).items()
    }


def size_of(view: Any) -> Size:
    """(height, width) of [B, C, H, W] or [B, H, W, C]."""
    first, *_, last = view.shape[1:]
    return tuple(view.shape[1:3]) if last == 3 and first != 3 else tuple(view.shape[2:4])
