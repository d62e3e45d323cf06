# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table from return code to class is that of the facts, and every refusal is one line with advice."""

from __future__ import annotations

import pytest
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import (
    RETURN_CODES,
    EndpointError,
    FatalError,
    NoPermissionError,
    NotFoundError,
    NotSentError,
    RefusedError,
    TooFrequentError,
    UCloudStackError,
    UnknownOutcomeError,
    WrongStateError,
    refusal,
)

CLASSES: dict[type[UCloudStackError], list[int]] = {
    UnknownOutcomeError: [2, 100, 110, 130, 151, 152, 153, 550, 559, 560],
    FatalError: [
        *(3, 4, *range(101, 110), 113, 140, 154, 160, 161, 162, 163, 164, 170, 171, 172, 177, 206, 207, 208, 209, 229),
        *(400, 401, 402, 404, 651, 1000, 1001, 1002, 1003, 1008, 1014, 2000, 2005, 2202, 2203, 2204, 2207, 2208, 2209, 2500, 2501),
        *(5001, 5002, 5003, 7000, 8100, 8101, 14004, 14006, 17005, 20001, 20003, 23000, 23001, 27002, 27004, 56000),
    ],
    NoPermissionError: [111, 112, 114, 150, 173, 178, 240, 301, 14002],
    NotFoundError: [200, 204, 205, 1004, 2201, 2205, 8102],
    TooFrequentError: [165, 199],
    WrongStateError: [201, 202, 1005, 1006, 2011, 2015, 2206],
    RefusedError: [1016, 1019, 2039, 2041, 2042, 2502, 5000, 7001, 7002],
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CLASSES.items() for code in codes])
def test_class_of_a_return_code(kind: type[UCloudStackError], code: int) -> None:
    error = refusal("CreateSnapshot", code, "what the API said")
    assert error.__class__ is kind and error.ret_code == code


def test_no_other_code_is_known() -> None:
    assert sorted(RETURN_CODES) == sorted(code for codes in CLASSES.values() for code in codes)


@pytest.mark.parametrize("code", [1, -1, 99, 31337])
def test_an_unknown_code_is_fatal_and_named(code: int) -> None:
    error = refusal("CreateSnapshot", code, "")
    assert error.__class__ is FatalError
    assert "unknown return code" in str(error) and f"RetCode {code}" in str(error) and "API guide" in str(error)


@pytest.mark.parametrize("code", sorted(RETURN_CODES))
def test_a_refusal_is_one_line_with_advice(code: int) -> None:
    text = str(refusal("DeleteSnapshot", code, "said by the API"))
    assert text.startswith("DeleteSnapshot: ") and f"(RetCode {code}: said by the API). " in text
    advice = text.partition("). ")[2]
    assert advice.endswith(".") and advice[0].isupper()
    assert text.isprintable() and len(text) < 250


@pytest.mark.parametrize(("code", "account"), [(1005, "frozen"), (1006, "not activated")])
def test_a_number_that_two_generations_use_names_both_meanings(code: int, account: str) -> None:
    text = str(refusal("StopVMInstance", code, ""))
    assert "(2.x)" in text and f"{account} (1.x)" in text


def test_the_id_of_the_request_is_named() -> None:
    error = refusal("CreateSnapshot", 2500, "full", "6f2c")
    assert error.request_id == "6f2c" and "(RetCode 2500, request 6f2c: full). " in str(error)


def test_a_refusal_without_a_message() -> None:
    assert "(RetCode 2500). " in str(refusal("CreateSnapshot", 2500, ""))


@pytest.mark.parametrize(
    ("kind", "branch"),
    [
        (TooFrequentError, RefusedError),
        (WrongStateError, RefusedError),
        (NotFoundError, FatalError),
        (NoPermissionError, FatalError),
        (EndpointError, FatalError),
    ],
)
def test_every_error_is_on_one_of_four_branches(kind: type[UCloudStackError], branch: type[UCloudStackError]) -> None:
    branches = (NotSentError, UnknownOutcomeError, RefusedError, FatalError)
    assert [each for each in branches if issubclass(kind, each)] == [branch]
    assert issubclass(branch, UCloudStackError)


def test_an_error_without_a_return_code() -> None:
    assert UnknownOutcomeError("what").ret_code is None
