# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""From the bytes of a server that may be hostile to a plain object, or to nothing. All limits of an answer are here."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UnknownOutcomeError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import is_id, whole_number

MOST_BYTES = 1024 * 1024
MOST_VALUES = 100_000
MOST_LEVELS = 20
MOST_DIGITS = 30
LONGEST_KEY = 100
LONGEST_TEXT = 40_000
"""An answer of 100 entries has some 100 kB, 5,000 values and 5 levels; a larger or deeper one is not an answer of the API.

How much memory 1 MB of JSON takes depends on the number of values: 100,000 commas, colons and brackets take less than 20 MB, however they
are written. One answer is read at a time, so that sixteen do not take sixteen times as much.
"""
LONGEST_REQUEST_ID = 64
ONE_AT_A_TIME = threading.Lock()
SURROGATE = re.compile("[\ud800-\udfff]")

Record = TypeVar("Record")


class Answer(dict[str, Any]):
    """The fields of an answer.

    ``request_id``: under which the platform keeps the request, None if it gave none; ``created``: the id of what was created, checked.
    """

    request_id: str | None = None
    created: str | None = None


def parsed(body: bytes, signed: str) -> Answer:
    """The JSON object in the body, without the signature that it may repeat; empty if there is none, or one that no API sends."""
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MOST_VALUES:
        return Answer()
    try:
        with ONE_AT_A_TIME:
            if max(map(len, body.split(b'"'))) > LONGEST_TEXT:
                return Answer()
            answer = _sound(json.loads(body.decode(), parse_int=_integer, parse_constant=_refuse_constant), signed, MOST_LEVELS)
    except (ValueError, RecursionError):
        return Answer()
    return Answer(answer if isinstance(answer, dict) else {})


def page_of(answer: Answer) -> tuple[int, list[dict[str, Any]]] | None:
    """The total and the entries that a list has on this page; None if the answer is not a list."""
    entries, total = answer.get("Infos") or [], whole_number(answer.get("TotalCount"))
    if not isinstance(entries, list) or total is None or not all(isinstance(entry, dict) for entry in entries):
        return None
    return total, entries


def read_entries(action: str, entries: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], Record]) -> list[Record]:
    """The records that ``read`` makes from the entries of a list. Raises UnknownOutcomeError if it raises ValueError."""
    try:
        return [read(entry) for entry in entries]
    except ValueError as error:
        raise UnknownOutcomeError(f"{action}: the answer is not as the API guide describes it: {error}.") from None


def request_id(header: str, secrets: Sequence[str]) -> str | None:
    """The id that the platform gave a request, if the header holds one."""
    given = printable(header, secrets)
    return given if given == header and header.isascii() and is_id(given) and len(given) <= LONGEST_REQUEST_ID else None


def excerpt(status: int, body: bytes, secrets: Sequence[str]) -> str:
    """What came instead of an answer, by its first characters."""
    enough = 400 * max(map(len, secrets))  # for 100 characters, even if each secret in them shrinks to three
    start = printable(body[:enough].decode(errors="replace"), secrets)[:100]
    return f"HTTP status {status}, and " + (f"not an answer of the API: {start!r}." if start else "an empty body.")


def printable(text: str, secrets: Iterable[str] = ()) -> str:
    """Untrusted text fit for one line of output: no line breaks, no control characters, no secrets, 200 characters at most."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return "".join(char if char.isprintable() else " " for char in text[:200]).strip()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:  # Pythons without a limit of their own would take minutes for a million of them
        raise ValueError("a number of too many digits")
    return int(digits)


def _sound(value: Any, signed: str, levels: int) -> Any:
    """The same value, with ``***`` for the signature, and ``?`` for lone surrogates, which cannot be encoded again.

    Raises ValueError if it has more levels, or holds what a module could not return: an infinite number, or an invalid key.
    """
    if isinstance(value, str):
        return SURROGATE.sub("?", value).replace(signed, "***")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large")
    if isinstance(value, (dict, list)) and not levels:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        return {_key(key, signed): _sound(each, signed, levels - 1) for key, each in value.items()}
    return [_sound(each, signed, levels - 1) for each in value] if isinstance(value, list) else value


def _key(key: str, signed: str) -> str:
    if len(key) > LONGEST_KEY or key.startswith("__"):  # what ansible-core reads results by: __ansible_type and the like
        raise ValueError("an invalid key")
    return SURROGATE.sub("?", key).replace(signed, "***")
