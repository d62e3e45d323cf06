# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of roles are typed and checked as their argument specs say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._inputs import as_list, validated

TEXTS: list[tuple[Any, list[Any]]] = [
    ("d1,d2", ["d1", "d2"]),
    (" d1 , d2,", ["d1", "d2"]),
    ('["d1", "d2"]', ["d1", "d2"]),
    ("['d1']", ["d1"]),
    ("[]", []),
    ("[d1", ["[d1"]),
    ([""], []),
    (["d1,d2", "d3"], ["d1", "d2", "d3"]),
    (7, [7]),
]


@pytest.mark.parametrize(
    ("variables", "typed"),
    [
        ({}, {}),
        ({"snapshot_rollback_limit": "7"}, {"snapshot_rollback_limit": 7}),
        ({"snapshot_rollback_backup": "yes"}, {"snapshot_rollback_backup": True}),
        ({"snapshot_rollback_backup": False}, {"snapshot_rollback_backup": False}),
        ({"snapshot_rollback_disk_ids": "d1,d2"}, {"snapshot_rollback_disk_ids": ["d1", "d2"]}),
        ({"snapshot_rollback_disk_ids": '["d1", "d2"]'}, {"snapshot_rollback_disk_ids": ["d1", "d2"]}),
        ({"snapshot_rollback_disk_ids": ""}, {"snapshot_rollback_disk_ids": []}),
    ],
)
def test_valid_variables_are_typed_and_no_others_are_added(variables: dict[str, Any], typed: dict[str, Any]) -> None:
    assert validated("snapshot_rollback", variables) == (typed, "")


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"snapshot_rollback_limit": "many"}, ["snapshot_rollback_limit"]),
        ({"snapshot_rollback_backup": "perhaps", "snapshot_rollback_limit": []}, ["snapshot_rollback_backup", "snapshot_rollback_limit"]),
        ({"snapshot_rollback_limit": "1\n2"}, ["snapshot_rollback_limit"]),
    ],
)
def test_invalid_variables_are_named_in_one_line_and_all_are_returned(variables: dict[str, Any], names: list[str]) -> None:
    typed, msg = validated("snapshot_rollback", variables)
    assert typed.keys() == variables.keys() and "\n" not in msg and all(name in msg for name in names)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", []), (None, []), ([], []), ("d1", ["d1"]), (["d1", "d2"], ["d1", "d2"]), ([["d1", ""], ("d2",), None], ["d1", "d2"]), *TEXTS],
)
def test_as_list(value: Any, expected: list[str]) -> None:
    assert as_list(value) == expected
