"""Batches as figures, for notebooks. Needs matplotlib: `pip install matplotlib`.

Every function shows its figure as the notebook's backend does, and writes it to `save_path` where that is given. Images
may be PyTorch tensors on any device or NumPy arrays, uint8 or normalised, channels first or last. Drawing from a
MultiCropLoader leaves it where it was.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .batch import Crops, split_crops, views_of
from .crop_statistics import (
    CropStatistics,
    analyze_crop_statistics,
    configured_scales,
    crop_scales,
    crops_of,
    drawn_from,
    join,
    kind_of_views,
    size_of,
)
from .errors import SpecInvalid
from .normalization import IMAGENET_MEAN, IMAGENET_STD

__all__ = [
    "CropStatistics",
    "analyze_crop_statistics",
    "crop_scales",
    "denormalize_tensor",
    "show_batch",
    "show_views",
    "visualize_augmentation_effects",
    "visualize_multicrop_batch",
    "visualize_scale_distributions",
]

_DPI = 150
Path = str | os.PathLike[str] | None


def denormalize_tensor(tensor: Any, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> Any:
    """`tensor * std + mean` by channel: what was normalised, back to about [0, 1], where it is and in its own dtype.

    Args:
        tensor: floats, [C, H, W] or [B, C, H, W]: a PyTorch tensor or a NumPy array.
        mean, std: what it was normalised with: `loader.run.mean` and `.std` are the data set's own.

    Raises SpecInvalid: another shape, integers, or not one mean and std a channel.
    """
    if tensor.ndim not in (3, 4):
        raise SpecInvalid(field="tensor", value=f"{tensor.ndim}-d", allowed="3-d or 4-d")
    if "float" not in str(tensor.dtype):
        raise SpecInvalid(field="tensor", value=str(tensor.dtype), allowed="floats: uint8 images are not normalised")
    channels = tensor.shape[-3]
    if not len(mean) == len(std) == channels:
        given = f"{len(mean)} and {len(std)} values"
        raise SpecInvalid(field="mean and std", value=given, allowed=f"{channels} values each, one a channel")
    if isinstance(tensor, np.ndarray):
        scale, offset = (np.asarray(values, tensor.dtype).reshape(-1, 1, 1) for values in (std, mean))
    else:
        scale, offset = (tensor.new_tensor(values).view(-1, 1, 1) for values in (std, mean))
    return tensor * scale + offset


def show_batch(
    images: Any,
    title: str = "",
    nrow: int = 8,
    figsize: tuple[float, float] | None = None,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    save_path: Path = None,
) -> None:
    """The first images of one view, [B, C, H, W], in two rows of `nrow` at most."""
    count = min(len(images), 2 * nrow)
    columns = max(1, min(count, nrow))
    rows = max(1, -(-count // columns))
    figure, axes = _grid(rows, columns, figsize or (columns * 1.8, rows * 1.8))
    for place in range(count):
        axes[place // columns, place % columns].imshow(_picture(images[place], mean, std))
    _finish(figure, title, save_path)


def show_views(
    batch: Mapping[str, Any],
    views: Sequence[str] | None = None,
    n_images: int = 6,
    title: str = "",
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    save_path: Path = None,
) -> None:
    """A row a view, a column an image: the first images of a batch of named views.

    Args:
        views: names, from top to bottom; all of them by default.
    """
    shown = {name: batch[name] for name in (views_of(batch) if views is None else views)}
    count = min([n_images, *(len(view) for view in shown.values())])
    figure, axes = _grid(max(1, len(shown)), max(1, count), (max(1, count) * 2.2, max(1, len(shown)) * 2.3))
    for row, (name, view) in enumerate(shown.items()):
        for column in range(count):
            axes[row, column].imshow(_picture(view[column], mean, std))
        height, width = size_of(view)
        _label_row(axes[row, 0], f"{name}\n{height}x{width}")
    _finish(figure, title, save_path)


def visualize_multicrop_batch(
    crops: Sequence[Any] | Mapping[str, Any],
    global_crops_number: int = 2,
    sample_idx: int = 0,
    save_path: Path = None,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> None:
    """All crops of one sample: its globals in the first row, its locals below.

    Args:
        crops: a batch of named views, or a list of [B, C, H, W], the globals first.
        global_crops_number: how many of a list are globals; named views say so themselves.
        sample_idx: which sample of the batch.
    """
    parts = (
        split_crops(crops)
        if isinstance(crops, Mapping)
        else Crops(list(crops[:global_crops_number]), list(crops[global_crops_number:]))
    )
    columns = max(1, len(parts.globals), -(-len(parts.locals) // 2))
    local_rows = -(-len(parts.locals) // columns)
    figure, axes = _grid(1 + local_rows, columns, (columns * 2.6, (1 + local_rows) * 2.8))
    for kind, views, first_row in (("Global", parts.globals, 0), ("Local", parts.locals, 1)):
        for number, view in enumerate(views):
            axis = axes[first_row + number // columns, number % columns]
            axis.imshow(_picture(view[sample_idx], mean, std))
            height, width = size_of(view)
            axis.set_title(f"{kind} Crop {number + 1}\n{height}x{width}", fontsize=9)
    _finish(figure, f"Multi-Crop Augmentation (Sample {sample_idx})", save_path)


def visualize_augmentation_effects(
    dataset: Any,
    config: Any = None,
    n_samples: int = 4,
    *,
    n_crops: int = 6,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    save_path: Path = None,
) -> None:
    """How much the crops of a sample differ: a row a sample, a column a crop.

    Args:
        dataset: a MultiCropLoader (its next samples), a batch, or whatever gives `(crops, label)` for an index.
        config: `config.data.global_crops_number`, where names do not tell globals from locals.
        n_crops: columns, at most.
        mean, std: of normalised crops; by default those of a loader's run, else ImageNet's.
    """
    run = getattr(dataset, "run", None)
    mean = mean or (run.mean if run is not None else IMAGENET_MEAN)
    std = std or (run.std if run is not None else IMAGENET_STD)
    samples, globals_number = _samples(dataset, n_samples)
    if config is not None:
        globals_number = config.data.global_crops_number
    columns = min(n_crops, len(samples[0]))
    figure, axes = _grid(len(samples), columns, (3 * columns, 3 * len(samples)))
    for row, crops in enumerate(samples):
        for column in range(columns):
            axes[row, column].imshow(_picture(crops[column], mean, std))
    for column in range(columns):
        kind = "Global" if column < globals_number else "Local"
        axes[0, column].set_title(f"{kind} {column + 1}")
    _finish(figure, "Multi-Crop Augmentation Diversity", save_path)


def visualize_scale_distributions(
    dataloader: Any, n_batches: int = 10, bins: int = 20, save_path: Path = None
) -> dict[str, tuple[float, float]]:
    """Histograms of how much of the source the globals and the locals cover, with the spec's ranges as dashed lines.

    Measured on the boxes that were drawn, not on the tensors, whose sizes are constant.

    Args:
        dataloader: a MultiCropLoader with `return_params=True`.

    Returns: least and most scale of the `global` and the `local` crops; also printed.

    Raises SpecInvalid: a loader without `return_params`, or views without random crops.
    """
    parts: dict[str, list[Any]] = {}
    kinds: dict[str, str] = {}
    with drawn_from(dataloader, n_batches) as drawn:
        for batch in drawn:
            if not isinstance(batch, Mapping):
                raise SpecInvalid(field="as_list", value="True", allowed="False: scales come with named views")
            kinds = kind_of_views(batch)
            for name, values in crop_scales(batch).items():
                parts.setdefault(name, []).append(values)
    scales = join(parts)
    if not scales:
        raise SpecInvalid(field="views", value="none", allowed="views with a random_resized_crop, and batches left")
    configured = configured_scales(dataloader)
    shown = [kind for kind in ("global", "local") if any(kinds[name] == kind for name in scales)]
    ranges: dict[str, tuple[float, float]] = {}
    figure, axes = _grid(1, len(shown), (6 * len(shown), 4), frame=True)
    for axis, kind in zip(axes[0], shown, strict=True):
        names = [name for name in scales if kinds[name] == kind]
        values = np.concatenate([scales[name] for name in names])
        color = "C0" if kind == "global" else "orange"
        axis.hist(values, bins=bins, alpha=0.7, label=f"{kind.capitalize()} crops", color=color)
        for bound in sorted({bound for name in names for bound in configured.get(name, ())}):
            axis.axvline(bound, linestyle="--", color="black", linewidth=1)
        axis.set_xlabel("Scale (relative to original)")
        axis.set_ylabel("Count")
        axis.set_title(f"{kind.capitalize()} Crop Scale Distribution")
        axis.legend()
        ranges[kind] = (float(values.min()), float(values.max()))
        print(f"{kind.capitalize()} crop scales: {ranges[kind][0]:.2f} - {ranges[kind][1]:.2f}")
    _finish(figure, "", save_path)
    return ranges


def _samples(source: Any, count: int) -> tuple[list[list[Any]], int]:
    """The first samples of anything, each as its crops, and how many of them are globals."""
    samples: list[list[Any]] = []
    globals_number = 2  # of a data set, which does not say
    if isinstance(source, (Mapping, tuple, list)):
        batches = [crops_of(None, source)]
    elif hasattr(source, "__getitem__"):
        batches = []
        samples = [list(source[index][0]) for index in range(min(count, len(source)))]
    else:
        batches = []
        # Not more batches than samples are needed.
        with drawn_from(source, count) as drawn:
            while sum(len(crops.globals[0]) for crops in batches) < count:
                batch = next(drawn, None)
                if batch is None:
                    break
                batches.append(crops_of(source, batch))
    for crops in batches:
        views = [*crops.globals, *crops.locals]
        globals_number = len(crops.globals)
        samples.extend([view[row] for view in views] for row in range(len(views[0])))
    if not samples or count < 1:
        raise SpecInvalid(field="n_samples", value=count, allowed="at least 1, of a source that has samples")
    return samples[:count], globals_number


def _picture(image: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    """One image as matplotlib takes it: [H, W, C], uint8 or floats in [0, 1]."""
    if not isinstance(image, np.ndarray):
        image = image.detach().cpu()
        # NumPy has no bfloat16, and matplotlib no float16.
        image = (image.float() if image.is_floating_point() else image).numpy()
    if image.dtype == np.uint16:  # bfloat16's bits
        image = (image.astype(np.uint32) << 16).view(np.float32)
    channels_first = image.shape[0] == len(mean)
    if image.dtype == np.uint8:
        return image.transpose(1, 2, 0) if channels_first else image
    planes = image if channels_first else image.transpose(2, 0, 1)
    return denormalize_tensor(planes.astype(np.float32), mean, std).clip(0, 1).transpose(1, 2, 0)


def _pyplot() -> Any:
    try:
        return importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError("cropstream.pictures needs matplotlib: pip install matplotlib") from error


def _grid(rows: int, columns: int, figsize: tuple[float, float], *, frame: bool = False) -> tuple[Any, Any]:
    """A figure and its axes [rows, columns], without ticks and frames unless asked for."""
    figure, axes = _pyplot().subplots(rows, columns, figsize=figsize, squeeze=False, layout="constrained")
    for axis in axes.flat if not frame else ():
        axis.axis("off")
    return figure, axes


def _label_row(axis: Any, text: str) -> None:
    # An axis that is off shows no label of its own.
    axis.text(-0.05, 0.5, text, transform=axis.transAxes, ha="right", va="center", rotation=90, fontsize=10)


def _finish(figure: Any, title: str, save_path: Path) -> None:
    if title:
        figure.suptitle(title, fontsize=14, fontweight="bold")
    if save_path is not None:
        figure.savefig(save_path, dpi=_DPI, bbox_inches="tight")
    with warnings.catch_warnings():
        # A script without a display: what is to be seen is in the file.
        warnings.filterwarnings("ignore", message=".*non-interactive.*")
        _pyplot().show()
