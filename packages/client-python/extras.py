"""The package's extras, for its build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

SERVER = Path(__file__).resolve().parent.parent / "server-python"


class Extras(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        # In a checkout the service of that checkout. Built from a copy of this folder alone, as a release is, the
        # service released with it: an index takes no addresses of folders.
        here = SERVER.is_dir()
        server = f"cropstream-server @ {SERVER.as_uri()}" if here else f"cropstream-server=={metadata['version']}"
        metadata["optional-dependencies"] = {
            "server": [server],
            "yaml": ["pyyaml>=6"],
            "pictures": ["matplotlib>=3.8"],
            "test": ["pytest>=8", "pyyaml>=6", "matplotlib>=3.8", "pillow"],
        }
