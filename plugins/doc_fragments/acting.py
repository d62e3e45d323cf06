# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules that change something."""

    DOCUMENTATION = r"""
options:
  wait_timeout:
    description:
      - Timeout of the whole task in seconds, for all its items together, from V(1) to V(604800).
      - After the timeout, the task fails and lists what is unfinished. The work continues in the cloud, and running the same task
        again resumes it.
    type: int
    default: 1800
  parallelism:
    description:
      - Maximum number of concurrent requests, from V(1) to V(64).
    type: int
    default: 16
notes:
  - At a terminal, a task that waits for more than 3 seconds shows how many of its items are done, if it runs on the controller.
"""
