# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulator of the UCloudStack API: disks are files of real bytes, state is in SQLite, the network can be made to fail."""
