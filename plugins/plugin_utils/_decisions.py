# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a role takes a decision: one filter per role, and one of its steps per call, over the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

Step = Callable[..., Any]


def decide(role: str, steps: Mapping[str, Step], value: Any, step: str, **given: Any) -> Any:
    """The result of one step. It gets, and may change, a copy of the value. Raises AnsibleFilterError for an unknown step."""
    if step not in steps:
        raise AnsibleFilterError(f"{role}_decision: there is no step {step!r}: use one of {', '.join(steps)}.")
    return steps[step](plain(value), **given)


def plain(value: Any) -> Any:
    """A copy of nested dictionaries and lists; what Ansible passes to filters may be a view that must not be changed."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value
