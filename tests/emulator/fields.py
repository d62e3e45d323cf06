# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the JSON objects of the control API: faults, timers, disks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REQUIRED = object()


class BadFields(ValueError):
    """An object that nobody can have meant; the text is one line for the one who sent it."""


@dataclass(frozen=True)
class Option:
    """A field of an object: what it must be, in code and in words, and its default."""

    valid: Callable[[Any], bool]
    words: str
    default: Any = REQUIRED


def read_fields(what: str, values: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    """The fields of an object, with defaults for those that it omits. Raises BadFields."""
    if unknown := sorted(set(values) - set(options)):
        raise BadFields(f"{what} has no field {unknown[0]!r}")
    return {name: _read_field(what, name, values.get(name, option.default), option) for name, option in options.items()}


def _read_field(what: str, name: str, value: Any, option: Option) -> Any:
    if value is REQUIRED:
        raise BadFields(f"{what} needs {name}: {option.words}")
    if not option.valid(value):
        raise BadFields(f"{name} must be {option.words}")
    return value


def whole(low: int, high: int | None = None) -> Callable[[Any], bool]:
    """A whole number within low and high."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= (value if high is None else high)


def number(low: float, high: float = 1e9) -> Callable[[Any], bool]:
    """A number within low and high."""
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def text(value: Any) -> bool:
    """A text that is not empty."""
    return isinstance(value, str) and value != ""


def texts(value: Any) -> bool:
    """A list of such texts that is not empty."""
    return isinstance(value, list) and value != [] and all(map(text, value))


def flag(default: bool) -> Option:
    """True or false."""
    return Option(lambda value: isinstance(value, bool), "true or false", default)


def one_of(*allowed: Any, default: Any = REQUIRED) -> Option:
    """One of a few values."""
    words = f"one of {', '.join(map(str, allowed))}"
    return Option(lambda value: value in (*allowed, default) and not isinstance(value, bool), words, default)
