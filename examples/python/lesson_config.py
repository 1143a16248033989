"""The lesson's configuration file, read as its scripts read it: `config.data.batch_size`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "seeds"


def load_config(name: str) -> Any:
    """`<name>.yaml` of docs/seeds, with attributes for keys. `cropstream serve --spec` reads the same file."""
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return json.loads(json.dumps(content), object_hook=lambda mapping: SimpleNamespace(**mapping))
