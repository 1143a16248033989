"""examples/python: each program runs to its end against a service, and says what it is there to show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, Service

pytest.importorskip("matplotlib")
pytest.importorskip("yaml")

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The lesson's configuration over files of CIFAR-10's form, of noise."""
    folder = tmp_path_factory.mktemp("cifar-10-batches-bin")
    random = np.random.default_rng(0)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        records = random.integers(0, 256, (60, 1 + 3 * 32 * 32), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / f"{name}.bin")
    spec = str(REPOSITORY / "docs" / "seeds" / "cifar10_config.yaml")
    service = Service("--data", str(folder), "--spec", spec, "--threads", "1")
    yield service
    service.stop()


def run(program: str, *arguments: str) -> str:
    source = str(REPOSITORY / "packages" / "client-python" / "src")
    environment = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "agg"}
    command = [sys.executable, str(REPOSITORY / "examples" / "python" / program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def pictures(folder: Path) -> set[str]:
    assert all(path.read_bytes().startswith(PNG) for path in folder.iterdir())
    return {path.name for path in folder.iterdir()}


def test_the_lessons_test_script(cifar: Service, tmp_path: Path) -> None:
    out = run("check_augmentation.py", "--target", cifar.target, "--out", str(tmp_path))
    for line in (
        "The run has 300 samples",
        "Number of crops: 8",
        "Global crop 1: (3, 32, 32)",
        "Local crop 8: (3, 16, 16)",
        "Batch size: 128",
        "Number of batches: 2",
        "Ratio local/global: 3.0",
        "Samples per second:",
        "Crop 7 size 16: correct",
        "All tests passed",
    ):
        assert line in out
    assert "wrong" not in out
    assert pictures(tmp_path) == {"multicrop-batch.png", "augmentation-effects.png"}


def test_the_lessons_analysis(cifar: Service, tmp_path: Path) -> None:
    out = run("multicrop_analysis.py", "--target", cifar.target, "--out", str(tmp_path))
    assert "Global crop scales: 0." in out
    assert "configured: globals [0.7, 1.0], locals [0.3, 0.7]" in out
    assert pictures(tmp_path) == {"diversity.png", "scales.png"}


def test_the_notebooks_five_sections(service: Service, images: Path, tmp_path: Path) -> None:
    out = run("named_crops.py", "--target", service.target, "--data", str(images), "--out", str(tmp_path))
    for line in (
        "Dataset: 48 samples",
        "Batch keys: ['view_0', 'view_1', '_indices', 'labels']",
        "  local_3: (8, 3, 96, 96)",
        "seed=42 vs seed=42: same indices=True, global=True, local=True",
        "seed=42 vs seed=99: different indices=True",
        "The same crops: True",
    ):
        assert line in out
    assert "float32, range=[-" in out
    expected = {"1-batch", "1-two-views", "1-small", "2-dino", "4-seeds", "5-list-and-names"}
    assert pictures(tmp_path) == {f"{name}.png" for name in expected}
