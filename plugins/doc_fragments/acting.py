# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules that change something."""

    DOCUMENTATION = r"""
options:
  wait_timeout:
    description:
      - Seconds that the whole task may take, for all its items together, from V(1) to V(604800).
      - When they are over the task fails and names what is unfinished. The work goes on in the cloud, and the same task run
        again carries on from there.
    type: int
    default: 1800
  parallelism:
    description:
      - How many requests may be under way at the same time, from V(1) to V(64).
    type: int
    default: 16
"""
