# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's wire format: three request forms in, one signature to check, one envelope out. No state, no HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from emulator.errors import ApiError, Reason

SUCCESS = "Success"


def read_parameters(method: str, query: bytes, content_type: str, body: bytes) -> dict[str, str]:
    """The parameters of a request, flat (``SnapshotIDs.0``, …), from a GET query, a POST form or POST JSON.

    Raises ApiError for what cannot be read. Of a name given twice the last value counts (assumed).
    """
    try:
        if method == "GET":
            return _read_form(query)
        if content_type.partition(";")[0].strip().lower() == "application/json":
            return _read_json(body)
        return _read_form(body)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or a lone surrogate in JSON
        raise ApiError(Reason.BAD_PARAMETER, "the request cannot be read") from None


def _read_form(text: bytes) -> dict[str, str]:
    return dict(parse_qsl(text.decode(), keep_blank_values=True, errors="strict"))


def _read_json(body: bytes) -> dict[str, str]:
    values = json.loads(body)
    if not isinstance(values, dict):
        raise ValueError("not an object")
    flat = flatten(values)
    "".join([*flat, *flat.values()]).encode()
    return flat


def flatten(values: Mapping[str, Any]) -> dict[str, str]:
    """``{"IDs": ["a", "b"], "Limit": 5}`` → ``{"IDs.0": "a", "IDs.1": "b", "Limit": "5"}``, as signing wants it; null is left out."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, (list, dict)):
            members = value.items() if isinstance(value, dict) else enumerate(value)
            flat |= flatten({f"{name}.{key}": member for key, member in members})
        elif value is not None:
            flat[name] = _decimal(value)
    return flat


def _decimal(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():  # 1.0 and 1 are the same JSON number
        return str(int(value))
    return str(value)


def sign(params: Mapping[str, str], private_key: str) -> str:
    """Signature of flat parameters: SHA-1 in hex over name + value in byte order of the names, then the private key (API guide, 1)."""
    text = "".join(name + params[name] for name in sorted(params) if name != "Signature") + private_key
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def check_signature(params: Mapping[str, str], public_key: str, private_key: str) -> None:
    """Raises ApiError when key or signature is missing, or either is wrong. A message never quotes them."""
    if not params.get("PublicKey"):
        raise ApiError(Reason.KEY_MISSING)
    if not params.get("Signature"):
        raise ApiError(Reason.SIGNATURE_MISSING)
    known = hmac.compare_digest(params["PublicKey"].encode(), public_key.encode())
    right = hmac.compare_digest(params["Signature"].encode(), sign(params, private_key).encode())
    if not (known and right):
        raise ApiError(Reason.SIGNATURE_WRONG)


def envelope(action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a call that was carried out."""
    return {"RetCode": 0, "Action": f"{action}Response", "Message": SUCCESS, **fields}


def refusal(action: str, code: int, message: str) -> dict[str, Any]:
    """The answer of a call that was refused; it too travels with HTTP status 200."""
    return {"RetCode": code, "Action": f"{action}Response", "Message": message}
