"""Figures and statistics of batches: what they hold, not how they look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cropstream import pictures
from cropstream.batch import Batch, view_params
from cropstream.errors import SpecInvalid

pytest.importorskip("matplotlib").use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
VIEWS = {"global_0": 12, "global_1": 12, "local_0": 6, "local_1": 6, "local_2": 6}


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    yield
    plt.close("all")


def make_batch(samples: int = 4, seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    content: dict[str, Any] = {
        name: random.integers(0, 256, (samples, 3, side, side), dtype=np.uint8) for name, side in VIEWS.items()
    }
    content["_indices"] = np.arange(samples)
    content["labels"] = np.arange(samples)
    return Batch(content)


def with_params(batch: Batch, shares: dict[str, float]) -> Batch:
    """Boxes that cover a given share of a source of 100 x 50."""
    tables = {}
    for name, share in shares.items():
        table = np.full((batch.size, 18), np.nan, np.float32)
        table[:, :6] = [0, 0, 100 * share, 50, 100, 50]
        tables[name] = view_params(table)
    return batch.replace({**batch, "_params": tables})


class Loader:
    """A loader over given batches that can go back, as MultiCropLoader can."""

    def __init__(self, batches: list[Any], scale: tuple[float, float] = (0.4, 1.0)) -> None:
        views = [{"name": name, "transforms": [{"name": "random_resized_crop", "scale": scale}]} for name in VIEWS]
        names = [SimpleNamespace(name=name) for name in VIEWS]
        spec_json = json.dumps({"views": views})
        self.run = SimpleNamespace(spec_json=spec_json, views=names, mean=CIFAR_MEAN, std=CIFAR_STD)
        self.batches = batches
        self.next = 0

    def __iter__(self) -> Iterator[Any]:
        while self.next < len(self.batches):
            self.next += 1
            yield self.batches[self.next - 1]

    def state_dict(self) -> dict[str, int]:
        return {"next": self.next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.next = state["next"]


def drawn() -> list[Any]:
    """The pictures of the last figure, each [H, W, C]."""
    return [np.asarray(axis.images[0].get_array()) for axis in plt.gcf().axes if axis.images]


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_denormalize_undoes_normalize(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).random(shape, np.float32)
    mean, std = np.reshape(CIFAR_MEAN, (3, 1, 1)), np.reshape(CIFAR_STD, (3, 1, 1))
    result = pictures.denormalize_tensor(((images - mean) / std).astype(np.float32), CIFAR_MEAN, CIFAR_STD)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, images, atol=1e-6)


def test_denormalize_keeps_a_tensors_kind() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    result = pictures.denormalize_tensor(tensor, CIFAR_MEAN, CIFAR_STD)
    assert result.dtype == torch.float64
    assert torch.equal(result[1, :, 0, 0], torch.tensor(CIFAR_MEAN, dtype=torch.float64))


@pytest.mark.parametrize(
    ("tensor", "options", "message"),
    [
        (np.zeros((3, 4), np.float32), {}, "2-d"),
        (np.zeros((3, 4, 4), np.uint8), {}, "uint8"),
        (np.zeros((1, 4, 4), np.float32), {}, "1 values each"),
        (np.zeros((3, 4, 4), np.float32), {"mean": (0.5,)}, "3 values each"),
    ],
)
def test_denormalize_names_what_is_wrong(tensor: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecInvalid, match=message):
        pictures.denormalize_tensor(tensor, **options)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (8, 1, 8), (9, 2, 8), (40, 2, 8)])
def test_show_batch_fills_two_rows_at_most(count: int, rows: int, columns: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (count, 3, 5, 5), dtype=np.uint8)
    pictures.show_batch(images, title="a batch")
    assert len(plt.gcf().axes) == rows * columns
    shown = drawn()
    assert len(shown) == min(count, 16)
    for picture, image in zip(shown, images, strict=False):
        assert np.array_equal(picture, image.transpose(1, 2, 0))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_images_are_drawn_as_they_are(dtype: str, channels_last: bool) -> None:
    torch = pytest.importorskip("torch")
    levels = torch.randint(0, 256, (2, 3, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = levels
    if dtype != "uint8":
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CIFAR_MEAN, CIFAR_STD))
        images = ((levels / 255 - mean) / std).to(getattr(torch, dtype))
    pictures.show_batch(images.movedim(1, -1) if channels_last else images, mean=CIFAR_MEAN, std=CIFAR_STD)
    expected = levels.movedim(1, -1).numpy() / (1 if dtype == "uint8" else 255)
    tolerance = {"uint8": 0, "float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}[dtype]
    np.testing.assert_allclose(drawn(), expected, atol=tolerance)


def test_show_views_is_a_row_a_view() -> None:
    batch = make_batch(samples=3)
    pictures.show_views(batch, ["local_1", "global_0"], n_images=6)
    expected = [batch[name][image].transpose(1, 2, 0) for name in ("local_1", "global_0") for image in range(3)]
    assert all(np.array_equal(*pair) for pair in zip(drawn(), expected, strict=True))


@pytest.mark.parametrize("form", ["named", "list"])
def test_multicrop_batch_shows_every_crop(form: str, tmp_path: Path) -> None:
    batch = make_batch()
    path = tmp_path / "crops.png"
    pictures.visualize_multicrop_batch(batch if form == "named" else batch.as_list(), 2, 1, save_path=path)
    expected = [view[1].transpose(1, 2, 0) for view in batch.as_list()]
    assert all(np.array_equal(*pair) for pair in zip(drawn(), expected, strict=True))
    titles = [axis.get_title().split("\n")[0] for axis in plt.gcf().axes if axis.images]
    assert titles == ["Global Crop 1", "Global Crop 2", "Local Crop 1", "Local Crop 2", "Local Crop 3"]
    assert path.read_bytes().startswith(b"\x89PNG")


def test_effects_of_a_loader_leave_it_where_it_was() -> None:
    loader = Loader([make_batch(2, seed) for seed in range(3)])
    assert next(iter(loader)) is loader.batches[0]
    pictures.visualize_augmentation_effects(loader, n_samples=3, n_crops=4)
    # Two samples of the second batch, one of the third.
    samples = [(1, 0), (1, 1), (2, 0)]
    names = list(VIEWS)[:4]
    expected = [loader.batches[batch][name][row].transpose(1, 2, 0) for batch, row in samples for name in names]
    assert all(np.array_equal(*pair) for pair in zip(drawn(), expected, strict=True))
    assert next(iter(loader)) is loader.batches[1]


@pytest.mark.parametrize("form", ["batch", "pair", "dataset"])
def test_effects_of_other_sources(form: str) -> None:
    batch = make_batch(3)
    rows = [([view[row] for view in batch.as_list()], row) for row in range(3)]

    class Dataset:
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> Any:
            return rows[index]

    source = {"batch": batch, "pair": (batch.as_list(), batch["labels"]), "dataset": Dataset()}[form]
    config = SimpleNamespace(data=SimpleNamespace(global_crops_number=1))
    pictures.visualize_augmentation_effects(source, config, n_samples=2)
    assert len(drawn()) == 2 * len(VIEWS)
    assert [axis.get_title() for axis in plt.gcf().axes[:2]] == ["Global 1", "Local 2"]


def test_statistics_of_named_views(capsys: pytest.CaptureFixture[str]) -> None:
    loader = Loader([with_params(make_batch(), {"global_0": share}) for share in (0.5, 0.9, 0.7)])
    found = pictures.analyze_crop_statistics(loader, n_batches=2)
    assert (found.global_sizes, found.local_sizes) == ({(12, 12)}, {(6, 6)})
    assert (found.batches, found.global_crops, found.local_crops) == (2, 2, 3)
    assert found.scales["global_0"] == pytest.approx((0.5, 0.9))
    out = capsys.readouterr().out
    assert "Scale of global_0: 0.500 - 0.900 of a configured 0.4 - 1\n" in out
    assert "Total crops per image: 5\n   Ratio local/global: 1.5" in out
    assert loader.next == 0


def test_statistics_of_lists() -> None:
    batch = make_batch()
    assert pictures.analyze_crop_statistics(Loader([(batch.as_list(), None)]), n_batches=5).global_crops == 2

    class Lesson(list[Any]):
        """As the lesson's own loader: crops and labels, and a split of its own."""

        def split_crops(self, crops: list[Any]) -> tuple[list[Any], list[Any]]:
            return crops[:1], crops[1:]

    assert pictures.analyze_crop_statistics(Lesson([(batch.as_list(), None)])).local_crops == 4
    with pytest.raises(SpecInvalid, match="n_batches"):
        pictures.analyze_crop_statistics(Loader([]))


def test_scale_distributions_measure_boxes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shares = {"global_0": 0.5, "global_1": 0.8, "local_0": 0.1, "local_1": 0.3}
    loader = Loader([with_params(make_batch(), shares)])
    found = pictures.visualize_scale_distributions(loader, save_path=tmp_path / "scales.png")
    assert found["global"] == pytest.approx((0.5, 0.8))
    assert found["local"] == pytest.approx((0.1, 0.3))
    assert "Global crop scales: 0.50 - 0.80" in capsys.readouterr().out
    counts = [sum(patch.get_height() for patch in axis.patches) for axis in plt.gcf().axes]
    assert counts == [8, 8]
    dashed = [line.get_xdata()[0] for line in plt.gcf().axes[0].lines]
    assert dashed == [0.4, 1.0]


def test_scale_distributions_need_parameters() -> None:
    with pytest.raises(SpecInvalid, match="return_params"):
        pictures.visualize_scale_distributions(Loader([make_batch()]))
    with pytest.raises(SpecInvalid, match="as_list"):
        pictures.visualize_scale_distributions(Loader([([], None)]))
