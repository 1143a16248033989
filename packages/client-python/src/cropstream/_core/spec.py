"""A run's spec in the forms that a user may have it, as JSON for the coordinator, which checks it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SpecInvalid, SpecUnreadable


def spec_json(spec: Mapping[str, Any] | str | os.PathLike[str]) -> str:
    """Of a mapping, JSON text, or the path of a JSON or YAML file (YAML needs PyYAML).

    Raises SpecUnreadable, and SpecInvalid for what JSON cannot say.
    """
    if isinstance(spec, Mapping):
        return _dump(spec)
    if isinstance(spec, str) and spec.lstrip().startswith("{"):
        try:
            return _dump(json.loads(spec))
        except ValueError as error:
            raise SpecUnreadable(path="given as text", reason=str(error)) from error
    if not isinstance(spec, (str, os.PathLike)):
        raise SpecInvalid(field="spec", value=type(spec).__name__, allowed="a mapping, JSON or a path")
    return _dump(_read(Path(spec)))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecUnreadable(path=str(path), reason=str(error)) from error
    try:
        content = json.loads(text) if path.suffix == ".json" else _parse_yaml(text, path)
    except ValueError as error:
        raise SpecUnreadable(path=str(path), reason=str(error)) from error
    if not isinstance(content, Mapping):
        raise SpecUnreadable(path=str(path), reason="it is no mapping of fields")
    for field in ("extends", "defaults"):
        if field in content:
            reason = f"`{field}` is resolved where the service starts: `cropstream serve --spec {path}`"
            raise SpecUnreadable(path=str(path), reason=reason)
    return content


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise SpecUnreadable(path=str(path), reason="YAML needs PyYAML: pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _dump(spec: Mapping[str, Any]) -> str:
    try:
        return json.dumps(spec, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SpecInvalid(field="spec", value=type(spec).__name__, allowed=f"what JSON can say: {error}") from error
