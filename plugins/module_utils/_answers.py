# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reads the response of an untrusted server into a plain object. All limits of a response are defined here."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import UnknownOutcomeError
from ansible_collections.ucloudstack.cloud.plugins.module_utils._records import is_id, whole_number

MAX_BYTES = 1024 * 1024
MAX_VALUES = 100_000
MAX_DEPTH = 20
MAX_DIGITS = 30
MAX_KEY_LENGTH = 100
MAX_STRING_LENGTH = 40_000
"""A list of 100 entries has about 100 kB, 5,000 values and 5 levels; anything larger or deeper is rejected.

The memory for 1 MB of JSON depends on the number of values: with 100,000 commas, colons and brackets it stays below 20 MB, whatever the
values are. Responses are parsed one at a time, so that 16 threads do not use 16 times as much.
"""
MAX_REQUEST_ID_LENGTH = 64
PARSE_LOCK = threading.Lock()
SURROGATE = re.compile("[\ud800-\udfff]")

Record = TypeVar("Record")


class Answer(dict[str, Any]):
    """The fields of a response.

    ``request_id``: the platform's id of the request, or None; ``created``: the validated id of what was created.
    """

    request_id: str | None = None
    created: str | None = None


def parsed(body: bytes, signed: str) -> Answer:
    """The JSON object in the body, with the signature masked; empty if the body is not a JSON object or exceeds a limit."""
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MAX_VALUES:
        return Answer()
    try:
        with PARSE_LOCK:
            if max(map(len, body.split(b'"'))) > MAX_STRING_LENGTH:
                return Answer()
            answer = _sanitized(json.loads(body.decode(), parse_int=_integer, parse_constant=_refuse_constant), signed, MAX_DEPTH)
    except (ValueError, RecursionError):
        return Answer()
    return Answer(answer if isinstance(answer, dict) else {})


def page_of(answer: Answer) -> tuple[int, list[dict[str, Any]]] | None:
    """The total number of entries and the entries of this page; None if the response is not a list."""
    entries, total = answer.get("Infos") or [], whole_number(answer.get("TotalCount"))
    if not isinstance(entries, list) or total is None or not all(isinstance(entry, dict) for entry in entries):
        return None
    return total, entries


def read_entries(action: str, entries: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], Record]) -> list[Record]:
    """The entries of a list, converted by ``read``. Raises UnknownOutcomeError if ``read`` raises ValueError."""
    try:
        return [read(entry) for entry in entries]
    except ValueError as error:
        raise UnknownOutcomeError(f"{action}: unexpected response: {error}.") from None


def request_id(header: str, secrets: Sequence[str]) -> str | None:
    """The platform's id of a request, if the header contains a valid one."""
    given = printable(header, secrets)
    return given if given == header and header.isascii() and is_id(given) and len(given) <= MAX_REQUEST_ID_LENGTH else None


def retry_after(header: str, wall: float) -> float:
    """The seconds of a Retry-After header, a number or a date (RFC 9110, 10.2.3), at ``wall`` Unix seconds; 0 if it is neither, or past."""
    if header.isascii() and header.isdigit() and len(header) <= MAX_DIGITS:
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - wall)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def excerpt(status: int, body: bytes, secrets: Sequence[str]) -> str:
    """Describes an unexpected response by its status and its first characters."""
    enough = 400 * max(map(len, secrets))  # 100 characters remain, even if every secret is replaced by three asterisks
    start = printable(body[:enough].decode(errors="replace"), secrets)[:100]
    return f"HTTP status {status} and not a response of the API: {start!r}." if start else f"HTTP status {status} and an empty body."


def printable(text: str, secrets: Iterable[str] = ()) -> str:
    """Untrusted text fit for one line of output: no line breaks, no control characters, no secrets, 200 characters at most."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return "".join(char if char.isprintable() else " " for char in text[:200]).strip()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:  # Python versions without a limit need minutes to convert a million digits
        raise ValueError("an integer with too many digits")
    return int(digits)


def _sanitized(value: Any, signed: str, depth: int) -> Any:
    """The same value, with the signature replaced by ``***`` and lone surrogates, which cannot be encoded, by ``?``.

    Raises ValueError for values that are nested too deeply or that a module cannot return: an infinite number, or an invalid key.
    """
    if isinstance(value, str):
        return SURROGATE.sub("?", value).replace(signed, "***")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large")
    if isinstance(value, (dict, list)) and not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_key(key, signed): _sanitized(each, signed, depth - 1) for key, each in value.items()}
    return [_sanitized(each, signed, depth - 1) for each in value] if isinstance(value, list) else value


def _key(key: str, signed: str) -> str:
    if len(key) > MAX_KEY_LENGTH or key.startswith("__"):  # ansible-core treats keys such as __ansible_type specially
        raise ValueError("an invalid key")
    return SURROGATE.sub("?", key).replace(signed, "***")
