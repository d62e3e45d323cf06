# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints, as JSON, what is in the database of the service: ``check.py [DATABASE]``. Fails if it is damaged or an entry is missing."""

import json
import sqlite3
import sys

path = sys.argv[1] if len(sys.argv) > 1 else "/srv/ledger.sqlite"
database = sqlite3.connect(path, timeout=60)
(integrity,) = database.execute("PRAGMA integrity_check").fetchone()
count, last, total, at = database.execute("SELECT count(*), max(number), max(sum), max(at) FROM entries").fetchone()
versions = [version for (version,) in database.execute("SELECT version FROM entries GROUP BY version ORDER BY min(number)")]
print(json.dumps({"count": count, "versions": versions, "at": at}))
if integrity != "ok" or (last, total) != (count, count * (count + 1) // 2):
    sys.exit(f"{integrity}; {count} entries up to {last}, whose sum is {total}")
