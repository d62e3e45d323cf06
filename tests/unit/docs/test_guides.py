# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What guides list is what the collection has."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import yaml
from ansible_collections.ucloudstack.cloud.plugins.module_utils._module import CONNECTION
from ansible_collections.ucloudstack.cloud.plugins.module_utils._states import SnapshotState
from support.collection import CHECKOUT

GUIDES = CHECKOUT / "docs" / "docsite" / "rst"


def words(picture: str) -> list[str]:
    """The text of a picture, label by label."""
    tree = ElementTree.parse(GUIDES / "images" / f"{picture}.svg")  # noqa: S314, it is our own
    return [each.text or "" for each in tree.iter("{http://www.w3.org/2000/svg}text")]


def test_picture_of_the_states_has_those_of_the_code() -> None:
    actions = {"create", "roll back", "delete"}
    states = {state.value for state in SnapshotState if state is not SnapshotState.UNKNOWN}
    *labels, _legend = words("snapshot_states")
    assert sorted(labels) == sorted(actions | states)


def test_picture_of_the_phases_has_those_of_the_role_in_their_order() -> None:
    steps = CHECKOUT / "roles" / "guarded_maintenance" / "tasks" / "steps"
    phases = ("preflight", "precheck", "snapshot", "patch", "verify", "prune, if set", "report every host of the batch")
    labels = words("maintenance_phases")
    assert [label for label in labels if label in phases] == list(phases)
    files = {"protect" if phase == "snapshot" else phase.split()[0].strip(",") for phase in phases}
    assert files | {"restore", "finish", "page", "verify_host"} == {path.stem for path in steps.glob("*.yml")}


def test_guide_on_credentials_lists_the_variables_that_modules_read() -> None:
    listed = re.findall(r"^   \* - ``(UCLOUDSTACK_\w+)``", (GUIDES / "guide_credentials.rst").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(name for option in CONNECTION.values() if "fallback" in option for name in option["fallback"][1])


def test_guide_on_playbooks_has_all_and_runs_them_with_variables_that_they_take() -> None:
    text = (GUIDES / "guide_playbooks.rst").read_text()
    assert {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")} <= set(re.findall(r"``(?:ucloudstack\.cloud\.)?(\w+)``", text))
    commands = re.findall(r"ansible-playbook ucloudstack\.cloud\.(\w+) (.*)", text)
    assert sorted(name for name, _arguments in commands) == sorted(re.findall(r"\* - ``ucloudstack\.cloud\.(\w+)``", text))
    for name, arguments in commands:
        book = (CHECKOUT / "playbooks" / f"{name}.yml").read_text()
        roles = [role["role"].rpartition(".")[2] for play in yaml.safe_load(book) for role in play["roles"]]
        known = "\n".join([book, *((CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text() for role in roles)])
        for variable in re.findall(r"-e (\w+)=", arguments):
            assert re.search(rf"\b{variable}\b", known), (name, variable)


@pytest.mark.parametrize("listing", ["README.md", "docs/docsite/extra-docs.yml"])
def test_every_guide_is_listed(listing: str) -> None:
    listed = set(re.findall(r"\bguide_\w+", (CHECKOUT / listing).read_text()))
    assert listed == {path.stem for path in GUIDES.glob("*.rst")}
