# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service of the guest: a database on its data disk that always grows. Each entry contains the sum of all before, so none can be lost."""

import sqlite3
import time

VERSION = "@VERSION@"

database = sqlite3.connect("/srv/ledger.sqlite", isolation_level=None)
database.execute("CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, sum INTEGER, version TEXT, at REAL)")
while True:
    number, total = database.execute("SELECT ifnull(max(number), 0), ifnull(max(sum), 0) FROM entries").fetchone()
    database.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (number + 1, total + number + 1, VERSION, time.time()))
    time.sleep(0.5)
