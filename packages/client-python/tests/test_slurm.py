"""examples/slurm on this machine: the scripts as they are, `srun` and `torchrun` played by a few lines of shell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, Installed, Service, pull

SCRIPTS = REPOSITORY / "examples" / "slurm"
NODES = 2

# Every node is this machine.
SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
for ((node = 0; node < SLURM_NNODES; node++)); do
  SLURM_NODEID=$node SLURM_PROCID=$node SLURM_LOCALID=0 SLURMD_NODENAME=127.0.0.1 "$@" &
  tasks+=($!)
done
trap 'kill -TERM "${tasks[@]}" 2>/dev/null' TERM
status=0
for task in "${tasks[@]}"; do
  wait "$task" || status=$?
  while kill -0 "$task" 2>/dev/null; do wait "$task" || status=$?; done
done
exit $status
"""
SCONTROL = """#!/usr/bin/env bash
echo 127.0.0.1
"""
# A training that keeps what it drew.
TORCHRUN = """#!/usr/bin/env bash
while [[ $1 != examples/dino/train.py ]]; do shift; done
mkdir -p "$4"
exec cropstream-pull --target "$2" --rank "$SLURM_NODEID" --world "$SLURM_NNODES" --json >"$4/$SLURM_NODEID.json"
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def cluster(installed: Installed, tmp_path: Path) -> Any:
    """Starts a script of examples/slurm as the batch script of a job on two nodes, and ends it with the test."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("torchrun", TORCHRUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    jobs: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object, **env: str) -> subprocess.Popen[str]:
        number = str(100 + len(jobs))
        environment = {
            **os.environ,
            "PATH": f"{programs}:{installed.bin}:{os.environ['PATH']}",
            "TMPDIR": str(tmp_path),
            "OUT": str(tmp_path / "out"),
            "SLURM_JOB_ID": number,
            "SLURM_NNODES": str(NODES),
            "SLURM_JOB_NODELIST": "127.0.0.1",
            "SLURMD_NODENAME": "127.0.0.1",
            "SLURM_CPUS_PER_TASK": "2",
            "SLURM_GPUS_ON_NODE": "1",
            "CROPSTREAM_THREADS": "1",
            "CROPSTREAM_CACHE": str(tmp_path / "cache"),
            **env,
        }
        log = open(tmp_path / f"job-{number}.log", "w")  # noqa: SIM115 -- open as long as the job
        command = [str(SCRIPTS / script), *map(str, arguments)]
        job = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, text=True, start_new_session=True
        )
        jobs.append(job)
        return job

    yield start
    for job in jobs:
        if job.poll() is None:
            job.terminate()
            try:
                job.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(job.pid, signal.SIGKILL)


def spec_of(images: Path, tmp_path: Path) -> Path:
    """What `lone_service` serves."""
    spec = {
        "name": "default",
        "dataset": {"source": "image-folder", "url": str(images)},
        "recipe": "lesson-cifar10",
        "global_batch_size": 8,
    }
    path = tmp_path / "run.json"
    path.write_text(json.dumps(spec))
    return path


def drawn(tmp_path: Path) -> list[str]:
    """What each node's training drew."""
    return [json.loads((tmp_path / "out" / f"{node}.json").read_text())["digest"] for node in range(NODES)]


def expected(lone_service: Service) -> list[str]:
    return [
        pull(lone_service, "--rank", str(rank), "--world", str(NODES), "--consumer", "slurm")["digest"]
        for rank in range(NODES)
    ]


def logs(tmp_path: Path) -> str:
    return "\n".join(path.read_text() for path in tmp_path.glob("job-*.log"))


def test_a_service_a_node_gives_the_stream_of_one(
    cluster: Start, lone_service: Service, images: Path, tmp_path: Path
) -> None:
    job = cluster("train.sbatch", spec_of(images, tmp_path))
    assert job.wait(240) == 0, logs(tmp_path)
    assert drawn(tmp_path) == expected(lone_service)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_a_fleet_tells_its_address_and_gives_the_same_stream(
    cluster: Start, installed: Installed, lone_service: Service, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "fleet"
    # Submitted first, it waits for the address.
    training = cluster("train-on-fleet.sbatch", folder)
    fleet = cluster("fleet.sbatch", folder, spec_of(images, tmp_path))
    assert training.wait(240) == 0, logs(tmp_path)
    assert drawn(tmp_path) == expected(lone_service)

    assert (folder / "token").stat().st_mode & 0o077 == 0
    address = (folder / "address").read_text().strip()
    command = [str(installed.bin / "cropstream-pull"), "--target", address]
    stranger = subprocess.run(command, env=installed.env, capture_output=True, text=True, timeout=240)
    assert "UNAUTHENTICATED" in stranger.stderr
    assert (folder / "token").read_text() not in logs(tmp_path)

    fleet.terminate()
    assert fleet.wait(120) == 143
    assert not (folder / "address").exists()
    assert not list(tmp_path.glob("tmp.*"))
