"""Batches as DINOv2's training loop takes them: crops stacked crop by crop, and iBOT's masks over the globals."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .batch import Batch, split_crops
from .errors import SpecInvalid
from .normalization import FLOAT_DTYPES, IMAGENET_MEAN, IMAGENET_STD, dtype_name, normalize

_BLOCK_TRIES = 10
"""Blocks drawn in vain before a mask stays as it is."""


class BlockMasks:
    """Masks made of rectangular blocks of patches: BEiT's block-wise masking (Bao et al. 2021, algorithm 1),
    with the limits that DINOv2 runs it with.

    Args:
        grid: patches down and across.
        min_patches: the least area a block is drawn with; rounding and the mask's end may make it smaller.
        max_patches: the most patches that one block adds; half of the grid by default.
        min_aspect: blocks have a height over width between this and its inverse, uniform in its logarithm.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        *,
        min_patches: int = 4,
        max_patches: float | None = None,
        min_aspect: float = 0.3,
    ) -> None:
        self.grid = grid
        self._min = min_patches
        self._max = grid[0] * grid[1] / 2 if max_patches is None else max_patches
        self._log_aspect = (math.log(min_aspect), -math.log(min_aspect))

    def draw(self, patches: int, random: Random) -> npt.NDArray[np.bool_]:
        """A mask, bool [rows, columns], of at most `patches` patches; fewer where ten blocks in a row fail."""
        mask = np.zeros(self.grid, np.bool_)
        left = patches
        while left > 0:
            added = self._add_block(mask, min(left, self._max), random)
            if added == 0:
                break
            left -= added
        return mask

    def _add_block(self, mask: npt.NDArray[np.bool_], most: float, random: Random) -> int:
        """Masks one more block; how many patches it added, 0 where none was found."""
        rows, columns = self.grid
        for _ in range(_BLOCK_TRIES):
            area = _between(random, self._min, most)
            aspect = math.exp(_between(random, *self._log_aspect))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            # Never a whole side of the grid.
            if height >= rows or width >= columns:
                continue
            top, left = _below(random, rows - height + 1), _below(random, columns - width + 1)
            block = mask[top : top + height, left : left + width]
            added = height * width - int(block.sum())
            if 0 < added <= most:
                block[:] = True
                return added
        return 0


class Masks(NamedTuple):
    """Of the globals of a batch."""

    masks: npt.NDArray[np.bool_]
    """[images, patches], row-major over the grid."""
    upperbound: int
    """No draw masks more patches than this in a batch of so many images: for buffers of a fixed size."""


def draw_masks(
    images: int,
    generator: BlockMasks,
    random: Random,
    mask_ratio: tuple[float, float] = (0.1, 0.5),
    mask_probability: float = 0.5,
) -> Masks:
    """Masks for a batch: `int(images * mask_probability)` of its images are masked, in random places. The
    range of ratios is cut in as many equal parts, and each masked image draws its ratio from a part of its
    own, so that every batch has small masks and large ones."""
    rows, columns = generator.grid
    patches = rows * columns
    masked = int(images * mask_probability)
    low, high = mask_ratio
    bounds = [low + (high - low) * part / masked for part in range(masked + 1)] if masked else []
    drawn = np.zeros((images, patches), np.bool_)
    # Only random() keeps its sequence over Python's versions; shuffle and sample need not.
    places = sorted(range(images), key=lambda _: random.random())
    for place, least, most in zip(places, bounds, bounds[1:], strict=False):
        drawn[place] = generator.draw(int(patches * _between(random, least, most)), random).reshape(-1)
    return Masks(drawn, sum(int(patches * most) for most in bounds[1:]))


def mask_random(run_digest: str, global_step: int, rank: int) -> Random:
    """The random numbers of one rank's masks in one step: the same whenever and wherever they are drawn."""
    text = f"cropstream/1 masks {run_digest} {global_step} {rank}"
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))


def _between(random: Random, low: float, high: float) -> float:
    return low + (high - low) * random.random()


def _below(random: Random, end: int) -> int:
    return int(random.random() * end)


class _Run(Protocol):
    @property
    def digest(self) -> str: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...


class _Loader(Protocol):
    """What is used of a MultiCropLoader."""

    @property
    def run(self) -> _Run: ...
    @property
    def rank(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...


class Dinov2Collate:
    """Turns a batch of named views into DINOv2's collated batch; see `as_dinov2`."""

    def __init__(
        self,
        run_digest: str,
        rank: int,
        *,
        mask_ratio: tuple[float, float] = (0.1, 0.5),
        mask_probability: float = 0.5,
        patch_size: int = 14,
        dtype: Any = "float32",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        low, high = mask_ratio
        if not 0 <= low <= high <= 1:
            raise SpecInvalid(field="mask_ratio", value=str(mask_ratio), allowed="(least, most) in [0, 1]")
        if not 0 <= mask_probability <= 1:
            raise SpecInvalid(field="mask_probability", value=mask_probability, allowed="a number in [0, 1]")
        if patch_size < 1:
            raise SpecInvalid(field="patch_size", value=patch_size, allowed="an integer of at least 1")
        self._run_digest = run_digest
        self._rank = rank
        self._mask_ratio = (low, high)
        self._mask_probability = mask_probability
        self._patch_size = patch_size
        self._dtype = dtype_name(dtype, FLOAT_DTYPES)
        self._mean = mean
        self._std = std

    def __call__(self, batch: Batch) -> Batch:
        """DINOv2's collated batch, with the `epoch`, `step` and `global_step` of the batch it was made from.

        Raises SpecInvalid: no views, globals that patches do not tile, views of one kind with several sizes,
        or NumPy arrays.
        """
        import torch

        if not isinstance(batch, Mapping):
            raise SpecInvalid(field="as_list", value="True", allowed="False: collation needs the views' names")
        crops = split_crops(batch)
        if not crops.globals or not isinstance(crops.globals[0], torch.Tensor):
            raise SpecInvalid(field="batch", value=str(list(batch)), allowed="a batch of views as PyTorch tensors")
        global_crops = self._collate("global crops", crops.globals)
        local_crops = self._collate("local crops", crops.locals) if crops.locals else global_crops[:0]
        images, _, height, width = global_crops.shape
        if height % self._patch_size or width % self._patch_size:
            allowed = f"a divisor of the globals' {height} x {width}"
            raise SpecInvalid(field="patch_size", value=self._patch_size, allowed=allowed)
        generator = BlockMasks((height // self._patch_size, width // self._patch_size))
        random = mask_random(self._run_digest, batch.global_step, self._rank)
        drawn = draw_masks(images, generator, random, self._mask_ratio, self._mask_probability)
        masks = torch.from_numpy(drawn.masks)
        mask_indices = masks.flatten().nonzero().flatten()
        weights = 1 / masks.sum(-1).clamp(min=1).to(torch.float32)
        device = global_crops.device
        return batch.replace(
            {
                "collated_global_crops": global_crops,
                "collated_local_crops": local_crops,
                "collated_masks": masks.to(device),
                "mask_indices_list": mask_indices.to(device),
                "masks_weight": weights.unsqueeze(-1).expand_as(masks)[masks].to(device),
                "upperbound": drawn.upperbound,
                "n_masked_patches": torch.full((1,), len(mask_indices), dtype=torch.int64, device=device),
                "_indices": batch["_indices"],
                "labels": batch["labels"],
            }
        )

    def _collate(self, what: str, views: list[Any]) -> Any:
        """[views * B, 3, height, width] in the collated dtype: all of the first view, then of the second, ..."""
        import torch

        shapes = sorted({tuple(view.shape[1:]) for view in views})
        if len(shapes) > 1:
            raise SpecInvalid(field="views", value=str(shapes), allowed=f"{what} of one size")
        crops = torch.cat(views)
        layout = "nchw" if shapes[0][0] == 3 else "nhwc"
        if crops.dtype == torch.uint8:
            crops = normalize(crops, self._mean, self._std, dtype=self._dtype, layout=layout)
        else:
            crops = crops.to(getattr(torch, self._dtype))
        return crops if layout == "nchw" else crops.movedim(-1, 1)


class Dinov2Batches:
    """A loader's batches, collated; iterates, counts and resumes as the loader does."""

    def __init__(self, loader: _Loader, collate: Dinov2Collate) -> None:
        self.loader = loader
        self._collate = collate

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            yield self._collate(batch)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        # set_epoch, state_dict, close and all else are the loader's.
        if name == "loader":
            raise AttributeError(name)
        return getattr(self.loader, name)


def as_dinov2(
    loader: _Loader,
    mask_ratio: tuple[float, float] = (0.1, 0.5),
    mask_probability: float = 0.5,
    patch_size: int = 14,
    *,
    dtype: Any = "float32",
) -> Dinov2Batches:
    """A MultiCropLoader's batches as DINOv2's `collate_data_and_cast` gives them. Of B samples a rank, G
    global views, L local ones and N patches a global:

    - `collated_global_crops` [G*B, 3, h, w], `collated_local_crops` [L*B, 3, h, w]: crop-major (row `g * B +
      b` is view g of sample b), normalised with the run's mean and std
    - `collated_masks` bool [G*B, N]: iBOT's masks
    - `mask_indices_list` int64 [M]: where they are set, in the flattened masks
    - `masks_weight` float32 [M]: 1 over the number of set patches of that image
    - `n_masked_patches` int64 [1]: M; `upperbound`: an int that M never exceeds
    - `_indices`, `labels` [B]

    Masks are drawn from the run's digest, the global step and the rank: a resumed job masks as an unbroken
    one does.

    Args:
        mask_ratio: least and most share of a masked image's patches.
        mask_probability: share of the G*B images that are masked.
        patch_size: in pixels; tiles the globals.
        dtype: of the crops: float32, float16 or bfloat16.
    """
    collate = Dinov2Collate(
        loader.run.digest,
        loader.rank,
        mask_ratio=mask_ratio,
        mask_probability=mask_probability,
        patch_size=patch_size,
        dtype=dtype,
        mean=loader.run.mean,
        std=loader.run.std,
    )
    return Dinov2Batches(loader, collate)
