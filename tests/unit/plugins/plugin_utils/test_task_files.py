# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Task files, and the files and roles that they name, are found before anything is written, or said to be missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._task_files import missing_files


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "there.yml").touch()
    (tmp_path / "folder").mkdir()
    assert missing_files(str(tmp_path), ["there.yml", "", str(tmp_path / "there.yml")]) == ""
    assert missing_files(str(tmp_path), ["there.yml", "a.yml", "folder"]) == (
        f"{tmp_path}/a.yml, {tmp_path}/folder does not exist: give a path relative to the directory of the playbook, or an absolute one."
    )


@pytest.fixture
def playbooks(tmp_path: Path) -> Path:
    """A directory of playbooks, with task files and roles."""
    for folder in ("tasks", "sub", "roles/patching", "roles/author.patching", "beside"):
        (tmp_path / folder).mkdir(parents=True)
    for name, tasks in {"there": "", "tasks/listed": "", "sub/leaf": "", "sub/node": "- include_tasks: leaf.yml"}.items():
        (tmp_path / f"{name}.yml").write_text(tasks)
    return tmp_path


@pytest.mark.parametrize(
    "tasks",
    [
        "",
        "- include_tasks: there.yml",
        "- ansible.builtin.include_tasks: {file: there.yml}",
        "- import_tasks: file=there.yml",
        "- include_tasks: listed.yml",
        "- include_tasks: sub/node.yml",
        "- include_role: {name: patching}",
        "- ansible.builtin.import_role: name=author.patching tasks_from=main",
        "- include_role: {role: beside}",
        "- include_role: {name: snapshot_create}",
        "- {action: debug msg=hello}",
        "- {local_action: {module: debug}}",
        "- {debug: , loop: '{{ items }}', when: [a, b], register: c, notify: d, become: '{{ e }}', tags: f, async: 1, poll: 0, delegate_to: g}",
        "- {meta: flush_handlers}",
        "- {set_fact: {a: b}, vars: {c: '{{ d }}'}, loop_control: {loop_var: e}, with_items: [1]}",
        "- include_role: {name: ucloudstack.cloud.snapshot_create}",
        # what is only known when the tasks run
        "- include_tasks: '{{ os }}.yml'",
        "- include_role: {name: '{{ role }}'}",
        "- {include_tasks: gone.yml, when: old}",
        "- {when: old, block: [{include_role: {name: gone}}]}",
        "- {collections: [a.b], include_role: {name: gone}}",
        "- include_tasks: [there.yml]",  # Ansible says what is wrong with it
        "- include_tasks:",
        "- include_tasks: patch.yml",  # ends by a condition
        "$ANSIBLE_VAULT;1.1;AES256\n6162",
        "- debug: {msg: !vault 'x'}",
    ],
)
def test_good_tasks(playbooks: Path, tasks: str) -> None:
    (playbooks / "patch.yml").write_text(tasks)
    assert missing_files(str(playbooks), ["patch.yml"]) == ""


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ("- include_tasks: gone.yml", "names the task file gone.yml, which does not exist"),
        ("- debug:\n- ansible.builtin.import_tasks: {file: gone.yml}", "the task file gone.yml"),
        ("- {import_tasks: gone.yml, when: old}", "the task file gone.yml"),
        ("- block: [{block: [{include_tasks: gone.yml}]}]", "the task file gone.yml"),
        ("- {block: [{debug: }], rescue: [{include_tasks: gone.yml}]}", "the task file gone.yml"),
        ("- include_role: {name: gone}", "names the role gone, which is not installed"),
        ("- import_role: name=gone.role", "the role gone.role"),
        ("- include_role: {name: ucloudstack.cloud.gone}", "the role ucloudstack.cloud.gone"),
        ("- include_role: {name: gone.gone.gone}", "the role gone.gone.gone"),
        ("- a: [", "cannot be parsed"),
        ("- {debug: , command: 'true'}", "cannot be parsed: conflicting action statements"),
        ("- {debgu: }", "cannot be parsed: couldn't resolve module/action 'debgu'"),
        ("- {debug: , wehn: true}", "cannot be parsed: "),
        ("- block: [{name: nothing}]", "cannot be parsed: no module/action detected in task"),
        ("- include_tasks: {{ 'a' }}.yml", "cannot be parsed"),
        ("hosts: all", "is not a list of tasks"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1])
def test_missing_is_found_at_any_depth(playbooks: Path, tasks: str, words: str, depth: int) -> None:
    deep = playbooks / ("patch.yml" if depth == 0 else "sub/deep.yml")
    (playbooks / "patch.yml").write_text("- include_tasks: sub/deep.yml")
    deep.write_text(tasks)
    said = missing_files(str(playbooks), ["there.yml", "patch.yml"])
    assert said.startswith(f"{deep} ") and words in said and "\n" not in said
