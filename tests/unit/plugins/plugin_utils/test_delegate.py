# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to connect to the host that calls the API."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._delegate import delegate_variables

DEFAULTS = {"connection": "ssh", "python_interpreter": "auto", "remote_tmp": "~/.ansible/tmp"}
OWN = {"ansible_connection": "guest", "ansible_python_interpreter": "/usr/bin/python3", "ansible_remote_tmp": "~/.tmp"}


@pytest.mark.parametrize(
    ("delegate", "hostvars", "expected"),
    [
        ("localhost", {}, {**DEFAULTS, "connection": "local"}),
        ("localhost", {"localhost": {"ansible_connection": "ssh"}}, DEFAULTS),
        ("controller", {"controller": {}}, DEFAULTS),
        (
            "controller",
            {"controller": OWN, "web1": {}},
            {"connection": "guest", "python_interpreter": "/usr/bin/python3", "remote_tmp": "~/.tmp"},
        ),
    ],
)
def test_delegate_variables(delegate: str, hostvars: dict[str, Any], expected: dict[str, str]) -> None:
    assert delegate_variables(delegate, hostvars) == expected
