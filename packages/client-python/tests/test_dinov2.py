"""DINOv2's collated batch, and the statistics and determinism of its masks."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cropstream.batch import Batch
from cropstream.dinov2 import BlockMasks, Dinov2Collate, as_dinov2, draw_masks, mask_random
from cropstream.errors import SpecInvalid

torch = pytest.importorskip("torch")

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


def make_batch(samples: int = 4, step: int = 7, size: int = 56, layout: str = "nchw") -> Batch:
    """Views whose every pixel says which view and which sample it is of."""
    content: dict[str, Any] = {}
    for number, (name, side) in enumerate([("global_0", size), ("global_1", size), ("local_0", 28), ("local_1", 28)]):
        view = torch.empty(samples, 3, side, side, dtype=torch.uint8)
        for sample in range(samples):
            view[sample] = 10 * number + sample
        content[name] = view if layout == "nchw" else view.movedim(1, -1).contiguous()
    content["_indices"] = torch.arange(samples)
    content["labels"] = torch.arange(samples) % 2
    return Batch(content, epoch=0, step=step, global_step=step)


def collate(batch: Batch, **options: Any) -> Batch:
    options = {"run_digest": "a" * 64, "rank": 0, "mean": MEAN, "std": STD, **options}
    return Dinov2Collate(options.pop("run_digest"), options.pop("rank"), **options)(batch)


def test_shapes_and_dtypes_are_dinov2s() -> None:
    result = collate(make_batch(samples=6))
    described = {name: (tuple(value.shape), value.dtype) for name, value in result.items() if name != "upperbound"}
    masked = int(result["n_masked_patches"])
    assert described == {
        "collated_global_crops": ((12, 3, 56, 56), torch.float32),
        "collated_local_crops": ((12, 3, 28, 28), torch.float32),
        "collated_masks": ((12, 16), torch.bool),
        "mask_indices_list": ((masked,), torch.int64),
        "masks_weight": ((masked,), torch.float32),
        "n_masked_patches": ((1,), torch.int64),
        "_indices": ((6,), torch.int64),
        "labels": ((6,), torch.int64),
    }
    assert isinstance(result["upperbound"], int)
    assert result.global_step == 7


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_crops_are_crop_major_and_normalised(layout: str) -> None:
    result = collate(make_batch(samples=3, layout=layout))
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    for name, first in [("collated_global_crops", 0), ("collated_local_crops", 2)]:
        for row in range(6):
            view, sample = divmod(row, 3)
            expected = (torch.tensor(10.0 * (first + view) + sample) / 255 - mean) / std
            crop = result[name][row]
            assert torch.equal(crop, expected.view(3, 1, 1).expand_as(crop))


def test_float_views_are_cast_only() -> None:
    batch = make_batch()
    batch["global_0"], batch["global_1"] = batch["global_0"].float(), batch["global_1"].float()
    result = collate(batch, dtype=torch.bfloat16)
    assert result["collated_global_crops"].dtype == torch.bfloat16
    assert result["collated_local_crops"].dtype == torch.bfloat16
    assert torch.equal(result["collated_global_crops"][1, 0, 0, 0], torch.tensor(1.0, dtype=torch.bfloat16))


def test_indices_and_weights_describe_the_masks() -> None:
    result = collate(make_batch(samples=16))
    masks = result["collated_masks"]
    assert torch.equal(result["mask_indices_list"], masks.flatten().nonzero().flatten())
    # Each masked image weighs one in all.
    image = result["mask_indices_list"] // masks.shape[1]
    total = torch.zeros(len(masks)).index_add(0, image, result["masks_weight"])
    assert torch.allclose(total, masks.any(-1).float())
    assert int(masks.sum()) == int(result["n_masked_patches"]) <= result["upperbound"]


def test_masks_follow_from_run_step_and_rank_alone() -> None:
    first = collate(make_batch())["collated_masks"]
    assert torch.equal(first, collate(make_batch())["collated_masks"])
    others = [
        collate(make_batch(step=8)),
        collate(make_batch(), rank=1),
        collate(make_batch(), run_digest="b" * 64),
    ]
    assert not any(torch.equal(first, other["collated_masks"]) for other in others)


def test_masks_stay_the_same_over_versions() -> None:
    """Noted once: a resumed job may run another Python or NumPy."""
    drawn = draw_masks(8, BlockMasks((16, 16)), mask_random("a" * 64, 3, 1))
    assert drawn.masks.sum(1).tolist() == [0, 101, 36, 114, 0, 0, 53, 0]
    assert np.flatnonzero(drawn.masks[6])[:8].tolist() == [7, 8, 9, 23, 24, 25, 39, 40]


@pytest.mark.parametrize(
    ("grid", "ratio", "probability"),
    [((16, 16), (0.1, 0.5), 0.5), ((14, 14), (0.1, 0.5), 0.5), ((7, 9), (0.2, 0.4), 0.75)],
)
def test_mask_statistics(grid: tuple[int, int], ratio: tuple[float, float], probability: float) -> None:
    images, patches = 32, grid[0] * grid[1]
    masked = int(images * probability)
    generator = BlockMasks(grid)
    rows = np.zeros(images)
    shares: list[float] = []
    shortfall: list[float] = []
    for step in range(200):
        drawn = draw_masks(images, generator, mask_random("c" * 64, step, 0), ratio, probability)
        counts = np.sort(drawn.masks.sum(1))
        assert (counts[: images - masked] == 0).all()
        assert drawn.masks.sum() <= drawn.upperbound
        rows += drawn.masks.any(1)
        # The k-th smallest mask is of the k-th part of the ratios at most.
        bounds = ratio[0] + (ratio[1] - ratio[0]) * np.arange(masked + 1) / masked
        assert (counts[images - masked :] <= np.floor(patches * bounds[1:] + 1e-9)).all()
        shares.append(counts.sum() / (masked * patches))
        shortfall.extend(np.floor(patches * bounds[:-1]) - counts[images - masked :])
    # Every row is masked as often as any other: 5 standard deviations of a binomial.
    expected = 200 * masked / images
    assert np.abs(rows - expected).max() < 5 * np.sqrt(expected * (1 - masked / images)) + 1e-9
    # On average the middle of the range, less what rounding down and blocks that do not fit leave out.
    assert sum(ratio) / 2 - 0.03 < np.mean(shares) <= sum(ratio) / 2
    assert np.mean(np.asarray(shortfall) > 2) < 0.05


def test_masks_are_blocks() -> None:
    """Most masked patches have a masked neighbour on each axis, far more than of patches drawn one by one."""
    generator = BlockMasks((16, 16))
    random = Random(0)
    neighbours = []
    for _ in range(200):
        mask = generator.draw(64, random)
        assert mask.sum() <= 64
        padded = np.pad(mask, 1)
        beside = padded[1:-1, :-2] | padded[1:-1, 2:]
        above = padded[:-2, 1:-1] | padded[2:, 1:-1]
        neighbours.append((beside & above)[mask].mean())
    assert np.mean(neighbours) > 0.9  # patches drawn one by one: (1 - 0.75^2)^2 = 0.19


def test_every_patch_is_masked_at_times() -> None:
    generator = BlockMasks((8, 8))
    random = Random(1)
    total = sum(generator.draw(24, random).astype(int) for _ in range(400))
    assert np.min(total) > 20
    assert generator.draw(0, random).sum() == 0


def test_no_masks_and_no_locals() -> None:
    batch = make_batch()
    del batch["local_0"], batch["local_1"]
    result = collate(batch, mask_probability=0)
    assert not result["collated_masks"].any()
    assert result["upperbound"] == 0
    assert result["masks_weight"].shape == (0,)
    assert result["collated_local_crops"].shape == (0, 3, 56, 56)
    assert collate(make_batch(samples=0))["collated_masks"].shape == (0, 16)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"mask_ratio": (0.5, 0.1)}, "mask_ratio"),
        ({"mask_probability": 1.5}, "mask_probability"),
        ({"patch_size": 0}, "patch_size"),
        ({"patch_size": 16}, "patch_size"),
        ({"dtype": "int8"}, "dtype"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid, match=field):
        collate(make_batch(), **options)


def test_wrong_batches_are_named() -> None:
    uneven = make_batch()
    uneven["local_1"] = uneven["local_1"][:, :, :14]
    with pytest.raises(SpecInvalid, match="local crops of one size"):
        collate(uneven)
    with pytest.raises(SpecInvalid, match="PyTorch tensors"):
        collate(Batch({name: value.numpy() for name, value in make_batch().items()}))
    with pytest.raises(SpecInvalid, match="as_list"):
        collate((list(make_batch().views.values()), None))  # type: ignore[arg-type]


class Loader:
    """What as_dinov2 uses of a MultiCropLoader."""

    rank = 2
    run = SimpleNamespace(digest="d" * 64, mean=MEAN, std=STD)

    def __iter__(self) -> Iterator[Batch]:
        return iter([make_batch(step=step) for step in range(3)])

    def __len__(self) -> int:
        return 3

    def state_dict(self) -> dict[str, int]:
        return {"global_step": 3}


def test_a_loader_is_wrapped() -> None:
    batches = as_dinov2(Loader(), mask_ratio=(0.3, 0.3), mask_probability=1, patch_size=7, dtype="float16")
    assert len(batches) == 3
    assert batches.state_dict() == {"global_step": 3}
    seen = list(batches)
    assert [batch.global_step for batch in seen] == [0, 1, 2]
    assert seen[0]["collated_global_crops"].dtype == torch.float16
    assert seen[0]["collated_masks"].shape == (8, 64)
    same = collate(
        make_batch(step=1),
        run_digest="d" * 64,
        rank=2,
        mask_ratio=(0.3, 0.3),
        mask_probability=1,
        patch_size=7,
    )
    assert torch.equal(seen[1]["collated_masks"], same["collated_masks"])
