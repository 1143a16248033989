"""Fixtures of the tests: `cropstream serve` as a process of the built repository, and its images."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from cropstream import MultiCropLoader

# torchvision's compiled operators are not needed, and not there where it came without its own build of PyTorch: with
# this its Python parts import.
sys.modules.setdefault("torchvision._meta_registrations", ModuleType("stub"))

REPOSITORY = Path(__file__).resolve().parents[3]
COMMAND = ["node", str(REPOSITORY / "packages" / "cli" / "bin" / "cropstream.js")]


class Process:
    """A command of `cropstream` that says with --json when it is ready. `start` begins it again."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND) -> None:
        self._command = [*command, *arguments, "--json"]
        self._env = {**os.environ, **(env or {})}
        self.start()

    def start(self) -> None:
        self._log = tempfile.NamedTemporaryFile("w")  # noqa: SIM115 -- open as long as the process
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=self._env
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise RuntimeError(f"cropstream ended with {code}: {self.log()}")
        self.ready: dict[str, Any] = json.loads(line)

    def log(self) -> str:
        """What it has logged so far."""
        return Path(self._log.name).read_text()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()


class Service(Process):
    """`cropstream serve`, ready; started again it has the same address."""

    def __init__(
        self,
        *arguments: str,
        port: int = 0,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        ports = ("--port", str(port), "--http-port", "0")
        super().__init__("serve", *arguments, *ports, env=env, command=command)

    @property
    def target(self) -> str:
        target: str = self.ready["target"]
        return target

    @property
    def run(self) -> str:
        run: str = self.ready["run"]
        return run


def pull(service: Service, *arguments: str) -> dict[str, Any]:
    """What the service's own `cropstream pull --json` says: the TypeScript client's stream."""
    command = [*COMMAND, "pull", "--target", service.target, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pulled: dict[str, Any] = json.loads(done.stdout)
    return pulled


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of 48 JPEGs."""
    folder = tmp_path_factory.mktemp("images")
    script = "const { makeDemoImages } = await import(process.argv[1]); await makeDemoImages(process.argv[2]);"
    module = REPOSITORY / "packages" / "cli" / "dist" / "demo" / "demo-images.js"
    command = ["node", "--input-type=module", "-e", script, module.as_uri(), str(folder)]
    subprocess.run(command, check=True, timeout=120)
    return folder


def _serve(images: Path) -> Iterator[Service]:
    service = Service("--data", str(images), "--recipe", "lesson-cifar10", "--global-batch-size", "8")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def service(images: Path) -> Iterator[Service]:
    """Serves a run named `default`; tests open others, and so does this: who draws without a name fails in any order."""
    for served in _serve(images):
        dataset = {"source": "image-folder", "url": str(images)}
        spec = {"name": "another", "recipe": "lesson-cifar10", "global_batch_size": 8, "dataset": dataset}
        MultiCropLoader(served.target, spec=spec, framework="numpy").close()
        yield served


@pytest.fixture(scope="session")
def lone_service(images: Path) -> Iterator[Service]:
    """Serves that run alone: nobody need name it."""
    yield from _serve(images)


class Installed(NamedTuple):
    """`pip install "./packages/client-python[server]"` where there is no Node."""

    bin: Path
    env: dict[str, str]
    """Its PATH has nothing else."""


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """For tests that install; skips them where pip reaches no index."""
    folder = tmp_path_factory.mktemp("index")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    probe = [*pip, "download", "--no-deps", "--dest", str(folder), "hatchling"]
    if subprocess.run(probe, capture_output=True, timeout=120).returncode != 0:
        pytest.skip("pip reaches no index: a fresh environment cannot be made")


@pytest.fixture(scope="session")
def installed(package_index: None, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    env = {**os.environ, "PATH": str(folder / "bin")}
    # The build has what builds Python packages alone: no Node, which it then gets from PyPI.
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    package = f"{REPOSITORY / 'packages' / 'client-python'}[server]"
    subprocess.run([*pip, "--no-compile", package], check=True, env=env, timeout=900)
    return Installed(folder / "bin", env)


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say themselves which rank of which job they are."""
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CROPSTREAM_CONSUMER", "TORCHELASTIC_RUN_ID", "CROPSTREAM_TOKEN", "CROPSTREAM_TLS_CA"):
        monkeypatch.delenv(name, raising=False)
    assert "RANK" not in os.environ
