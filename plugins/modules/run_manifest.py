#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_manifest
short_description: Read and update the manifest of a run
version_added: 0.1.0
author:
  - UCloudStack collection contributors (@ucloudstack)
description:
  - Reads the manifest of a run, the file in which the roles of this collection record the VM, the disks, the snapshots and the state of each
    host, and optionally merges new values into it. Used by the roles; also useful to read the manifest of a run.
  - The file is C(<manifest_dir>/<run_id>.json) on the host that the module runs on, with mode C(0600). It is replaced as a whole, while a lock
    on C(<manifest_dir>/.lock) keeps other processes from writing, so that concurrent tasks lose no entry and a killed one leaves a whole file.
  - A file that is not the manifest of the run is never overwritten; the task fails. If O(manifest_dir) or the file is a symbolic link, its
    target is read and replaced.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  action_group:
    support: none
    membership: []
    details:
      - This module does not call the API, and has none of the options of the group.
options:
  run_id:
    description:
      - Id of the run, of at most 19 letters, digits, C(.), C(_) and C(-). It must not end as the names of backups and markers do, such as C(-b1)
        or C(-r1).
    type: str
    required: true
  manifest_dir:
    description:
      - Directory of the manifests. It is created with mode C(0700) when the first manifest is written.
    type: path
    required: true
  prefix:
    description:
      - Prefix of the snapshot names. Together with the run id, it is the C(name) of a new manifest; an existing one keeps its name.
    type: str
    default: ""
  hosts:
    description:
      - New values by host. They are merged into the stored ones; nested dictionaries are merged, and everything else is replaced. Other hosts
        keep their entries.
      - If empty, the manifest is only read.
    type: dict
    default: {}
  unfinished_hosts:
    description:
      - Search the other manifests in O(manifest_dir) for these hosts, see RV(unfinished). Files that are not manifests are skipped with a warning.
      - The value is the id of the VM of the host. An entry of another VM is that of another machine with the same name, and does not count. If
        the id is empty, every entry counts.
    type: dict
    default: {}
  claim:
    description:
      - The process that updates O(hosts). It is stored as C(process) in their entries, until they are set to one of the final states
        C(verified), C(restored) and C(failed).
      - A host that another process has claimed is not updated while its stored state is C(planned), C(snapshotted), C(patching) or C(restoring),
        see RV(refused). This does not apply if that process ran on this machine and has ended.
      - If empty, hosts are updated whoever has claimed them, and their claims stay.
    type: dict
    default: {}
    suboptions:
      id:
        description: Unique id of the process. Required in a claim.
        type: str
      controller:
        description: The machine that the process runs on, as C(uname -n) prints it. Required in a claim.
        type: str
      since:
        description: When the process started, as ISO 8601 in UTC. Required in a claim.
        type: str
      pid:
        description: Process id, to find out whether the process has ended. Without it, the process is assumed to run.
        type: int
      started:
        description:
          - Start time of the process, as in field 22 of C(/proc/<pid>/stat), to tell it from a later process with the same id.
        type: str
  take_over:
    description:
      - Whether to update hosts that another process has claimed.
    type: bool
    default: false
extends_documentation_fragment:
  - ucloudstack.cloud.attributes
requirements:
  - python >= 3.9
notes:
  - Delegate the task to the host that keeps the manifests, the same for all tasks of a run.
seealso:
  - module: ucloudstack.cloud.snapshot
"""

EXAMPLES = r"""
- name: Read the manifest of a run
  ucloudstack.cloud.run_manifest:
    run_id: patch-20261123
    manifest_dir: ~/.local/state/ucloudstack
  delegate_to: localhost
  register: run

- name: Show the hosts that were rolled back
  ansible.builtin.debug:
    msg: "{{ run.manifest.hosts | dict2items | selectattr('value.state', 'eq', 'restored') | map(attribute='key') }}"

- name: Mark a host as failed
  ucloudstack.cloud.run_manifest:
    run_id: patch-20261123
    manifest_dir: ~/.local/state/ucloudstack
    prefix: ansible-
    hosts:
      web07:
        state: failed
  delegate_to: localhost

- name: Claim two hosts for this process, and find other unfinished runs of them
  ucloudstack.cloud.run_manifest:
    run_id: patch-20261124
    manifest_dir: ~/.local/state/ucloudstack
    prefix: ansible-
    hosts:
      web07: {state: planned}
      web08: {state: planned}
    unfinished_hosts: {web07: vm-web07, web08: vm-web08}
    claim:
      id: 3f0c2a52-8a53-4b8e-9f3a-51a4d7a7f2b1
      controller: control01
      since: '2026-11-24T22:00:00Z'
      pid: 4711
  delegate_to: localhost
  register: claimed
"""

RETURN = r"""
manifest:
  description: The manifest after the task.
  returned: success
  type: dict
  contains:
    run_id:
      description: Id of the run.
      type: str
      sample: patch-20261123
    name:
      description: Name of the snapshots of the run.
      type: str
      sample: ansible-patch-20261123
    hosts:
      description: The entries of the hosts, by name; empty if the run has no manifest yet.
      type: dict
      sample: {web07: {disk_ids: [disk-boot01], state: verified, vm_id: vm-web07}}
path:
  description: Path of the manifest. If the file exists, Ansible adds its owner, group, mode and size, as for all modules that return a path.
  returned: success
  type: str
  sample: /home/ops/.local/state/ucloudstack/patch-20261123.json
unfinished:
  description: For each of O(unfinished_hosts) that is V(patching) or V(restoring) in other runs, the sorted ids of these runs.
  returned: success
  type: dict
  sample: {web07: [patch-20261116]}
refused:
  description: The hosts that were not updated because another process has claimed them, with C(id), C(controller) and C(since) of that process.
  returned: success
  type: dict
  sample: {web07: {controller: control02, id: 9d2c6d0e-0f0b-4f0c-8a43-0e7f3b1c5d11, since: '2026-11-24T21:30:00Z'}}
check_mode:
  description: Whether the task ran in check mode. A play can set it for its tasks without C(--check), and C(ansible_check_mode) does not show that.
  returned: success
  type: bool
  sample: false
"""

import contextlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ucloudstack.cloud.plugins.module_utils import _manifest, _manifest_file
from ansible_collections.ucloudstack.cloud.plugins.module_utils._claims import Machine
from ansible_collections.ucloudstack.cloud.plugins.module_utils._clock import Clock
from ansible_collections.ucloudstack.cloud.plugins.module_utils._manifest import ManifestError

CLAIM = {
    "id": {"type": "str"},
    "controller": {"type": "str"},
    "since": {"type": "str"},
    "pid": {"type": "int"},
    "started": {"type": "str"},
}


def job(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    run_id, folder, hosts = params["run_id"], params["manifest_dir"], params["hosts"]
    claim = {key: value for key, value in params["claim"].items() if value is not None}
    _manifest.check_options(run_id, folder, hosts, claim)
    with _manifest_file.locked(folder, Clock()) if hosts and not check_mode else contextlib.nullcontext():
        stored = _manifest_file.read(folder, run_id)
        known = {**_manifest.empty(run_id, params["prefix"]), **(stored or {})}
        manifest, refused = _manifest.merged(known, hosts, claim, params["take_over"], Machine())
        before, after = _manifest.text_of(stored), _manifest.text_of(manifest)
        changed = len(refused) < len(hosts) and before != after
        if changed and not check_mode:
            _manifest_file.replace(folder, run_id, after)
    unfinished, warnings = _manifest_file.unfinished(folder, run_id, params["unfinished_hosts"])
    return {
        "changed": changed,
        "manifest": manifest,
        "path": _manifest_file.path_of(folder, run_id),
        "unfinished": unfinished,
        "refused": refused,
        "check_mode": check_mode,
        "diff": {"before": before, "after": after if changed else before},
        "warnings": warnings,
    }


def main() -> None:
    spec = {
        "run_id": {"type": "str", "required": True},
        "manifest_dir": {"type": "path", "required": True},
        "prefix": {"type": "str", "default": ""},
        "hosts": {"type": "dict", "default": {}},
        "unfinished_hosts": {"type": "dict", "default": {}},
        "claim": {"type": "dict", "default": {}, "options": CLAIM},
        "take_over": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        result = job(module.params, module.check_mode)
        for warning in result.pop("warnings"):
            module.warn(warning)
        if not module._diff:
            del result["diff"]
        module.exit_json(**result)
    except ManifestError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
