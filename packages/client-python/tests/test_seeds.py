"""docs/seeds.md: its lines of Python run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, Service

pytest.importorskip("matplotlib").use("agg")

PAGE = (REPOSITORY / "docs" / "seeds.md").read_text(encoding="utf-8")
LINES = re.findall(r"`>>> ([^`]+)`", PAGE)


@pytest.fixture(scope="module")
def names(images: Path) -> Iterator[dict[str, Any]]:
    """What the page's lines come after."""
    flags = ["--recipe", "lesson-imagenet", "--global-batch-size", "8", "--threads", "1"]
    service = Service("--data", str(images), *flags)
    (first,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    defined: dict[str, Any] = {"target": service.target}
    exec(first, defined)
    yield defined
    defined["loader"].close()
    service.stop()


def test_the_page_has_lines() -> None:
    assert len(LINES) > 10


@pytest.mark.parametrize("line", LINES)
def test_a_line(line: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(line, names)
    pytest.importorskip("matplotlib.pyplot").close("all")
