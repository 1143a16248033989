"""docs/migration.md: what it says to write runs, and does what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import REPOSITORY, Service

torch = pytest.importorskip("torch")

PAGE = (REPOSITORY / "docs" / "migration.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def ibot(images: Path) -> Iterator[Service]:
    """Globals of 224 pixels, which patches of 14 and 16 tile."""
    service = Service("--data", str(images), "--recipe", "ibot", "--global-batch-size", "4", "--threads", "1")
    yield service
    service.stop()


def run(section: str, **names: Any) -> dict[str, Any]:
    """What the section's code leaves behind."""
    body = SECTIONS[section]
    (block,) = re.findall(r"^```(?:python|diff)\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    if "```diff" in body:
        block = "\n".join(line[1:] for line in block.splitlines() if line.startswith("+"))
    exec(compile(block, section, "exec"), names)
    return names


def test_dino_takes_five_lines_at_most(ibot: Service) -> None:
    added = [line for line in SECTIONS["DINO"].splitlines() if line.startswith("+")]
    assert len(added) <= 5
    args = SimpleNamespace(data_path=ibot.target, gpu="cpu", pin_memory=False)
    names = run("DINO", args=args)
    with names["data_loader"] as data_loader:
        assert len(names["dataset"]) == 48
        data_loader.sampler.set_epoch(1)
        for _, (images, _) in enumerate(data_loader):
            assert [tuple(image.shape) for image in images] == [(4, 3, 224, 224)] * 2 + [(4, 3, 96, 96)] * 10
            assert images[0].dtype == torch.float32
            break
        assert data_loader.state_dict()["global_step"] == len(data_loader) + 1


def test_dinov2(ibot: Service) -> None:
    seen: list[Any] = []
    model = SimpleNamespace(forward_backward=lambda data, teacher_temp: seen.append(data))
    names = run("DINOv2", target=ibot.target, start_iter=5, model=model)
    names["loader"].close()
    assert seen[0].global_step == 5
    assert seen[0]["collated_masks"].shape == (8, 256)
    assert seen[0]["collated_global_crops"].dtype == torch.float16


def test_ibot(ibot: Service) -> None:
    seen: list[Any] = []
    run("iBOT", target=ibot.target, student=lambda crops, mask: seen.append((crops, mask)))
    ((crops, mask),) = seen
    assert [tuple(crop.shape) for crop in crops] == [(4, 3, 224, 224)] * 2
    assert [tuple(of_view.shape) for of_view in mask] == [(4, 14, 14)] * 2


def test_torchvision(ibot: Service) -> None:
    names = run("torchvision v2", target=ibot.target)
    assert (names["images"].dtype, names["labels"].dtype) == (torch.float32, torch.int64)


def test_slipstream(service: Service, images: Path) -> None:
    batch = run("slipstream", target=service.target, url=str(images))["batch"]
    assert list(batch) == ["global_0", "local_0", "_indices", "labels"]
    assert (batch["global_0"].dtype, batch["local_0"].dtype) == (torch.float32, torch.uint8)


def test_the_lesson(ibot: Service, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib").use("agg")
    run("The lesson", target=ibot.target)["dataloader"].close()
    assert "Ratio local/global: 5.0" in capsys.readouterr().out


def test_evaluation_sees_each_sample_once(service: Service, images: Path) -> None:
    rows: list[int] = []

    def backbone(batch: Any) -> Any:
        assert batch.shape[1:] == (3, 224, 224)
        rows.append(len(batch))
        return torch.ones(len(batch), 2)

    names = run("Evaluation: kNN, linear probe", target=service.target, url=str(images), width=2, backbone=backbone)
    assert rows == [20, 20, 8]
    assert bool(names["features"].all())
    # Class folders in order, eight images each.
    assert torch.equal(names["labels"], torch.arange(6).repeat_interleave(8))


def test_resume(ibot: Service) -> None:
    seen: list[int] = []
    names = run("Resume", target=ibot.target, saved=None, train=lambda batch: seen.append(batch.global_step))
    names["loader"].close()
    assert seen == list(range(12))
    names = run("Resume", target=ibot.target, saved=names["saved"], train=lambda batch: seen.append(batch.global_step))
    names["loader"].close()
    assert seen == list(range(24))
