# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to connect to the host that calls the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.plugins.loader import shell_loader


def delegate_variables(delegate: str, hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """``{connection, python_interpreter, remote_tmp}``: the host's own variables, and the settings of Ansible for those that it does not have."""
    own = hostvars.get(delegate, {})
    shell_loader.get("sh", class_only=True)  # so that Ansible knows its settings
    # Not with the lookup config: it would return the variable of the play.
    remote_tmp = constants.config.get_config_value("remote_tmp", plugin_type="shell", plugin_name="sh")
    return {
        "connection": own.get("ansible_connection", "local" if delegate == "localhost" else constants.DEFAULT_TRANSPORT),
        "python_interpreter": own.get("ansible_python_interpreter", constants.INTERPRETER_PYTHON),
        "remote_tmp": own.get("ansible_remote_tmp", remote_tmp),
    }
