"""Checks of arguments, each naming the argument, its value and what is allowed."""

from __future__ import annotations

import operator
from typing import Any

from ..errors import SpecInvalid


def integer(field: str, value: Any, least: int) -> int:
    """Any integer type, NumPy's too, of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise SpecInvalid(field=field, value=repr(value)[:200], allowed=f"an integer of at least {least}")
    return number


def optional_integer(field: str, value: Any, least: int) -> int | None:
    return None if value is None else integer(field, value, least)


def text(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise SpecInvalid(field=field, value=repr(value)[:200], allowed="a string of at least one character")
    return value


def seconds(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise SpecInvalid(field=field, value=repr(value)[:200], allowed="a number of seconds above 0")
    return float(value)
