"""Code in the forms of the lesson's and the notebook's programs: the import and the line that makes the loader are
ours, what follows is as they write it."""

# ruff: noqa: B007, C408, SIM118 -- as they write it

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Service

torch = pytest.importorskip("torch")
plt: Any = pytest.importorskip("matplotlib.pyplot")

from cropstream import MultiCropLoader  # noqa: E402
from cropstream.pictures import (  # noqa: E402
    analyze_crop_statistics,
    denormalize_tensor,
    show_batch,
    visualize_augmentation_effects,
    visualize_multicrop_batch,
)

CONFIG = SimpleNamespace(
    data=SimpleNamespace(
        batch_size=8, global_crops_number=2, local_crops_number=6, global_crop_size=32, local_crop_size=16
    )
)


@pytest.fixture(autouse=True)
def _without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    plt.switch_backend("agg")


def test_the_lessons_loops(lone_service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    config = CONFIG
    dataloader = MultiCropLoader(lone_service.target, as_list=True, endless=True, consumer="lesson")
    train_dataset = dataloader

    # The test script.
    assert len(dataloader) == 6
    crops_batch, labels_batch = next(iter(dataloader))
    assert labels_batch.shape == (config.data.batch_size,)
    assert len(crops_batch) == config.data.global_crops_number + config.data.local_crops_number
    global_crops, local_crops = dataloader.split_crops(crops_batch)
    assert len(global_crops) == config.data.global_crops_number
    assert len(local_crops) == config.data.local_crops_number
    visualize_multicrop_batch(crops_batch, config.data.global_crops_number)
    visualize_augmentation_effects(train_dataset, config, n_samples=4)
    analyze_crop_statistics(dataloader, n_batches=5)
    assert "Total crops per image: 8" in capsys.readouterr().out

    # The benchmark: a loop to warm up, left early, and another.
    for i, (crops, labels) in enumerate(dataloader):
        if i >= 2:
            break
    start_time = time.time()
    for i, (crops, labels) in enumerate(dataloader):
        if i >= 10:
            break
        global_crops, local_crops = dataloader.split_crops(crops)
    assert config.data.batch_size * 10 / (time.time() - start_time) > 0

    # The debug script.
    assert labels.shape[0] == config.data.batch_size
    for i, crop in enumerate(crops):
        is_global = i < config.data.global_crops_number
        expected_size = config.data.global_crop_size if is_global else config.data.local_crop_size
        assert crop.shape[2] == expected_size

    # The functions that draw: one sample of normalised crops, on the screen's scale again.
    img = denormalize_tensor(crops[0][0], dataloader.run.mean, dataloader.run.std)
    img = torch.clamp(img, 0, 1).permute(1, 2, 0).cpu().numpy()
    assert img.shape == (32, 32, 3)
    dataloader.shutdown()


def test_the_notebooks_cells(service: Service, images: Path) -> None:
    def get_dino_batch(seed: int) -> Any:
        views = {
            "global_0": dict(size=64, scale=(0.4, 1.0), seed=100, transforms=["normalize"]),
            "local_0": dict(size=32, scale=(0.05, 0.4), seed=200),
        }
        dataset = {"source": "image-folder", "url": str(images)}
        spec = dict(name=f"notebook-{seed}", dataset=dataset, shuffle=True, seed=seed, global_batch_size=8, views=views)
        loader = MultiCropLoader(service.target, spec=spec, exclude_fields=["path"], consumer="notebook")
        batch = next(iter(loader))
        loader.shutdown()
        return batch

    batch_a = get_dino_batch(seed=42)
    batch_b = get_dino_batch(seed=42)
    batch_c = get_dino_batch(seed=99)
    assert [k for k in batch_a.keys() if k != "_indices"] == ["global_0", "local_0", "labels"]
    for name in ("_indices", "global_0", "local_0"):
        assert torch.equal(batch_a[name], batch_b[name])
    assert not torch.equal(batch_a["_indices"], batch_c["_indices"])
    assert (batch_a["global_0"].dtype, batch_a["local_0"].dtype) == (torch.float32, torch.uint8)
    assert f"{batch_a['local_0'].min()}".isdigit()

    n = min(6, batch_a["local_0"].shape[0])
    fig, axes = plt.subplots(2, n, figsize=(n * 2.2, 4.6))
    for i in range(n):
        for row, b in enumerate([batch_a, batch_c]):
            axes[row][i].imshow(b["local_0"][i].permute(1, 2, 0).numpy())
            axes[row][i].axis("off")
    fig.suptitle("Same seed, same crops")
    plt.close(fig)
    show_batch(batch_a["local_0"], title="local_0", nrow=4, figsize=(8, 4))
    plt.close("all")
