"""The extra `server`: the service on a machine without Node, from pip alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from conftest import Installed, Service, pull


def run(installed: Installed, *command: str) -> subprocess.CompletedProcess[str]:
    first, *rest = command
    path = str(installed.bin / first)
    return subprocess.run([path, *rest], env=installed.env, capture_output=True, text=True, timeout=240)


def test_serves_without_node(lone_service: Service, images: Path, installed: Installed) -> None:
    assert shutil.which("node", path=installed.env["PATH"]) is None
    assert run(installed, "cropstream", "--version").stdout.strip() == "0.1.0"
    flags = ("--data", str(images), "--recipe", "lesson-cifar10", "--global-batch-size", "8")
    served = Service(*flags, env=installed.env, command=[str(installed.bin / "cropstream")])
    pulled = run(installed, "cropstream-pull", "--target", served.target, "--json")
    assert json.loads(pulled.stdout)["digest"] == pull(lone_service)["digest"], pulled.stderr
    # The command is the process itself: it gets the signal, and its exit code is the command's.
    served.stop()
    assert served.process.returncode == 0
    assert run(installed, "cropstream", "serve", "--nonsense").returncode == 2


def test_the_client_alone_stays_small_and_pure(installed: Installed) -> None:
    site = next(installed.bin.parent.glob("lib/python*/site-packages"))
    names = {distribution.name: distribution for distribution in distributions(path=[str(site)])}
    client = [Path(file) for file in names["cropstream"].files or ()]
    assert {file.suffix for file in client if file.parts[0] == "cropstream"} <= {".py", ".pyi", ".pyc", ".typed"}
    assert sum((site / file).stat().st_size for file in client if file.suffix != ".pyc") < 1e6
    (need,) = (need for need in names["cropstream"].requires or () if need.startswith("cropstream-server"))
    assert need.endswith("extra == 'server'")
