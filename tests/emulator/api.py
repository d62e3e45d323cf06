# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request's parameters to a reply: check the signature, let faults strike, carry the action out, keep a record of the call."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator import wire
from emulator.actions import ACTIONS, call
from emulator.errors import ApiError, Reason
from emulator.faults import Fault, Faults
from emulator.state import State

_NOT_RECORDED = ("Action", "PublicKey", "Signature", "Password")
_NUMBERS = ("RetCode", "TotalCount", "CreateTime")  # those that some installations send as strings


@dataclass(frozen=True)
class Reply:
    """What to send: the API's answer, and the fault that stands in its place, if any, after so many seconds.

    ``request_id`` is for a header; None in generations that have none.
    """

    answer: dict[str, Any]
    request_id: str | None
    fault: Fault | None = None
    delay: float = 0


class Api:
    """The API without its HTTP. Thread-safe: one call after the other."""

    def __init__(self, state: State, faults: Faults, public_key: str, private_key: str) -> None:
        self.state = state
        self.faults = faults
        self.generation = state.generation
        self._public_key = public_key
        self._private_key = private_key

    def handle(self, method: str, query: bytes, content_type: str, body: bytes) -> Reply:
        """Carry out one request. Its effect and its record are one transaction."""
        request_id = str(uuid.uuid4()) if self.generation.request_ids else None
        with self.state.transaction():
            try:
                params = wire.read_parameters(method, query, content_type, body)
            except ApiError as error:
                return self._refuse("", {}, error, request_id)
            action = params.get("Action", "")
            try:
                self._check(action, params)
            except ApiError as error:
                return self._refuse(action, params, error, request_id)
            return self._carry_out(action, params, request_id)

    def _check(self, action: str, params: Mapping[str, str]) -> None:
        if not action:
            raise ApiError(Reason.ACTION_MISSING)
        wire.check_signature(params, self._public_key, self._private_key)
        if action not in ACTIONS:
            raise ApiError(Reason.ACTION_UNKNOWN, action)

    def _refuse(self, action: str, params: Mapping[str, str], error: ApiError, request_id: str | None) -> Reply:
        answer = self._refusal(action, error)
        self._record(action, params, answer["RetCode"], [], request_id)
        return Reply(answer, request_id)

    def _refusal(self, action: str, error: ApiError) -> dict[str, Any]:
        return wire.refusal(action, self.generation.codes[error.reason], error.message)

    def _carry_out(self, action: str, params: Mapping[str, str], request_id: str | None) -> Reply:
        struck = self.faults.strike(action, params, self.state.clock())
        replacement = next((fault for fault in struck if fault.replaces_answer), None)
        answer = self._answer(action, params, struck, replacement)
        in_place = replacement is None or replacement.kind in ("refuse", "throttle")
        self._record(action, params, answer["RetCode"] if in_place else None, struck, request_id)
        quirks = {fault.kind: fault.fields for fault in struck}
        answer = _disguise(answer, quirks)
        delay = sum(fault.fields["seconds"] for fault in struck if fault.kind == "delay")
        return Reply(answer, request_id, None if in_place else replacement, delay)

    def _answer(self, action: str, params: Mapping[str, str], struck: list[Fault], replacement: Fault | None) -> dict[str, Any]:
        if replacement and not replacement.done:
            code = replacement.fields.get("ret_code", 0)
            if code is None:
                code = self.generation.codes[Reason.TOO_FREQUENT]
            return wire.refusal(action, code, replacement.fields.get("message", Reason.TOO_FREQUENT.value))
        try:
            return wire.envelope(action, call(self.state, action, params, {fault.kind: fault.fields for fault in struck}))
        except ApiError as error:
            return self._refusal(action, error)

    def _record(self, action: str, params: Mapping[str, str], ret_code: int | None, struck: list[Fault], request_id: str | None) -> None:
        kept = {name: value for name, value in params.items() if name not in _NOT_RECORDED}
        self.state.record_call(action, kept, ret_code, ",".join(fault.kind for fault in struck) or None, request_id)


def _disguise(answer: dict[str, Any], quirks: Mapping[str, Any]) -> dict[str, Any]:
    """The same answer in one of the other spellings that installations are known to use."""
    if "null_infos" in quirks and answer.get("Infos") == []:
        answer["Infos"] = None
    if "snapshot_name" in quirks:
        answer["Infos"] = [
            {("SnapshotName" if name == "Name" else name): value for name, value in info.items()} for info in answer.get("Infos") or []
        ]
    if "strings" in quirks:
        answer = _with_strings(answer)
    return answer


def _with_strings(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_strings(each) for each in value]
    if isinstance(value, dict):
        return {name: str(each) if name in _NUMBERS else _with_strings(each) for name, each in value.items()}
    return value
