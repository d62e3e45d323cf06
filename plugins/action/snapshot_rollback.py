# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.ucloudstack.cloud.plugins.plugin_utils._progress import ProgressActionModule


class ActionModule(ProgressActionModule):
    """Shows the progress of the module."""
