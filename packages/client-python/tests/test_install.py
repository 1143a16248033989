"""What the guide tells a new user to do, in a fresh environment: install the client, run its twenty lines."""

from __future__ import annotations

import os
import re
import subprocess
import venv
from pathlib import Path

import pytest
from conftest import REPOSITORY, Service

torch = pytest.importorskip("torch")

GUIDE = (REPOSITORY / "docs" / "client-python.md").read_text(encoding="utf-8")
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def run(python: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([str(python), *arguments], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_twenty_lines_train_in_a_fresh_environment(package_index: None, lone_service: Service, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, *PIP, "install", str(REPOSITORY / "packages" / "client-python"))

    listed = {line.split("==")[0] for line in run(python, *PIP, "freeze").splitlines()}
    assert {name for name in listed if not name.startswith("cropstream")} <= {
        "grpcio",
        "numpy",
        "protobuf",
        "typing_extensions",
    }
    # PyTorch is large, and no dependency of the client: the tests' own, behind what was installed.
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "torch-of-the-tests.pth").write_text(str(Path(torch.__file__).parents[1]))

    program = next(re.finditer(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)).group(1)
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    assert '"localhost:7400"' in program
    script = tmp_path / "train.py"
    script.write_text(program.replace("localhost:7400", lone_service.target))
    said = run(python, str(script))
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", said)]
    assert len(losses) == 5
    assert losses[-1] < 0.9 * losses[0]

    assert "cropstream" in run(python, "-c", "import cropstream; print(cropstream.__file__)")
    pulled = run(tmp_path / "venv" / "bin" / "cropstream-pull", "--target", lone_service.target, "--steps", "2")
    assert "2 batches" in pulled
