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
    UnknownFateError,
    WrongStateError,
    refusal,
)

CLASSES: dict[type[UCloudStackError], list[int]] = {
    UnknownFateError: [2, 100, 110, 130, 151, 152, 153, 550, 559, 560],
    FatalError: [
        *(3, 4, *range(101, 110), 113, 140, 154, 160, 161, 162, 163, 164, 170, 171, 172, 209, 229),
        *(1014, 2000, 2500, 2501, 5002, 7000, 17005),
    ],
    NoPermissionError: [111, 112, 114, 150, 173, 178, 240],
    NotFoundError: [200, 204, 205, 1004, 2201, 2205],
    TooFrequentError: [165, 199],
    WrongStateError: [201, 202, 1005, 1006, 2011, 2015, 2206],
    RefusedError: [2041, 2502, 5000, 7001, 7002],
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CLASSES.items() for code in codes])
def test_class_of_a_return_code(kind: type[UCloudStackError], code: int) -> None:
    error = refusal("CreateSnapshot", code, "what the API said")
    assert error.__class__ is kind and error.ret_code == code


def test_no_other_code_is_known() -> None:
    assert sorted(RETURN_CODES) == sorted(code for codes in CLASSES.values() for code in codes)


@pytest.mark.parametrize("code", [1, -1, 99, 31337])
def test_a_code_that_is_not_known_is_fatal_and_named(code: int) -> None:
    error = refusal("CreateSnapshot", code, "")
    assert error.__class__ is FatalError
    assert "does not know" in str(error) and f"RetCode {code}" in str(error) and "API guide" in str(error)


@pytest.mark.parametrize("code", sorted(RETURN_CODES))
def test_a_refusal_is_one_line_with_advice(code: int) -> None:
    text = str(refusal("DeleteSnapshot", code, "said by the API"))
    assert text.startswith("DeleteSnapshot: ") and f"(RetCode {code}: said by the API). " in text
    advice = text.partition("). ")[2]
    assert advice.endswith(".") and advice[0].isupper()
    assert text.isprintable() and len(text) < 250


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
    branches = (NotSentError, UnknownFateError, RefusedError, FatalError)
    assert [each for each in branches if issubclass(kind, each)] == [branch]
    assert issubclass(branch, UCloudStackError)


def test_an_error_without_a_return_code() -> None:
    assert UnknownFateError("what").ret_code is None
