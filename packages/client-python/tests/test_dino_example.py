"""examples/dino: killed and resumed, its losses are those of a run that nobody stopped, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY, Service

pytest.importorskip("torch")

EXAMPLE = REPOSITORY / "examples" / "dino"
EPOCHS = 6
STEPS = 3 * EPOCHS


@pytest.fixture(scope="module")
def small_service(images: Path) -> Iterator[Service]:
    spec = str(EXAMPLE / "dino.yaml")
    service = Service("--data", str(images), "--spec", spec, "--global-batch-size", "16", "--threads", "1")
    yield service
    service.stop()


def start(service: Service, out: Path, processes: int) -> subprocess.Popen[str]:
    script = [str(EXAMPLE / "train.py"), service.target, "--out", str(out)]
    options = ["--epochs", str(EPOCHS), "--save-every", "2"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(torchrun if processes > 1 else []), *script, *options]
    source = str(REPOSITORY / "packages" / "client-python" / "src")
    # Two jobs draw from one run at once, each under an id of its own.
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "CROPSTREAM_CONSUMER": out.name}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the process and to what it started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in [*map(int, children), process.pid]:
        os.kill(pid, 9)
    process.communicate(timeout=20)
    assert process.returncode == -9


def losses(out: Path) -> dict[int, float]:
    path = out / "losses.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    # A process that was killed may leave half a line.
    return {line["step"]: line["loss"] for line in map(json.loads, (line for line in lines if line.endswith("}")))}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes to kill in /proc")
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_and_resumed_as_if_nothing_had_been(small_service: Service, tmp_path: Path, processes: int) -> None:
    whole = start(small_service, tmp_path / "unbroken", processes)
    broken = tmp_path / "broken"
    first = start(small_service, broken, processes)
    deadline = time.monotonic() + 200
    while len(losses(broken)) < 7:
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kill(first)
    assert len(losses(broken)) < STEPS
    finish(start(small_service, broken, processes))
    finish(whole)
    unbroken = losses(tmp_path / "unbroken")
    assert list(unbroken) == list(range(STEPS))
    assert losses(broken) == unbroken

    values = list(unbroken.values())
    assert sum(values[-6:]) < sum(values[:6])
