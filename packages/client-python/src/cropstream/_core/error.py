"""The base of all exceptions that a user of this package meets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Scalar = str | int | float | bool

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class CropstreamError(Exception):
    """An error of the one table (docs/errors.md). `str()` says what was wrong and what to do.

    Made from its details: `RunNotFound(run="a", known="b")`. Catch a subclass, or compare `code`.
    """

    code: str = "INTERNAL"
    """Stable, the same in every client and service."""
    retryable: bool = False
    """Whether the same call may succeed later, unchanged."""
    problem_template: str = "{reason}"
    help_template: str = ""

    problem: str
    """What was wrong, with the values."""
    help: str
    """What to do about it."""
    details: dict[str, Scalar]

    def __init__(self, **details: Scalar) -> None:
        self._set(_fill(self.problem_template, details), _fill(self.help_template, details), details)

    @classmethod
    def from_parts(cls, problem: str, help: str, details: Mapping[str, Scalar]) -> CropstreamError:
        """The error with its texts as they are: what a service said."""
        error = cls.__new__(cls)
        error._set(problem, help, details)
        return error

    def _set(self, problem: str, help: str, details: Mapping[str, Scalar]) -> None:
        self.problem = problem
        self.help = help
        self.details = dict(details)
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.problem}. {self.help}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders (multiprocessing, torchrun's error files).
        return (type(self).from_parts, (self.problem, self.help, self.details))


def _fill(template: str, details: Mapping[str, Scalar]) -> str:
    def value(match: re.Match[str]) -> str:
        found = details.get(match.group(1), match.group(0))
        return f"{found:g}" if isinstance(found, float) else str(found)

    return _PLACEHOLDER.sub(value, template)
