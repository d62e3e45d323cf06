# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulator with a clock that only the test advances, and a caller that signs with the function of the vendor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from emulator.errors import Reason
from emulator.generations import Generation
from emulator.server import Emulator
from emulator.state import State
from ucloud.core.auth import Credential


@dataclass
class Clock:
    """Unix seconds, moved by hand."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


@dataclass
class Caller:
    """Sends signed calls to an emulator and returns the parsed response."""

    emulator: Emulator
    session: requests.Session = field(default_factory=_session)

    @property
    def state(self) -> State:
        """The emulator's own state."""
        return self.emulator.state

    @property
    def generation(self) -> Generation:
        """The generation of the emulator."""
        return self.emulator.generation

    def no(self, reason: Reason | None) -> int:
        """The return code of a reason in this generation; None: success."""
        return self.generation.codes[reason] if reason else 0

    def says(self, word: str) -> str:
        """This generation's word for a state, which is given in that of 1.x."""
        generation = self.generation
        return {**generation.snapshot_words, **generation.disk_words, **generation.vm_words}.get(word, word)

    def busy(self, settled: str) -> str:
        """What a disk shows while a snapshot of it is created."""
        return "Snapshoting" if self.generation.shows_snapshoting else self.says(settled)

    def form(self, action: str, **params: Any) -> dict[str, str]:
        """The signed, flat form of a call. Parameters that are None are omitted."""
        named = {"Action": action, "Region": "cn", "Zone": "zone-01", **params}
        flat = {name: str(value) for name, value in named.items() if value is not None and not isinstance(value, list)}
        for name, values in params.items():
            if isinstance(values, list):
                flat |= {f"{name}.{index}": value for index, value in enumerate(values)}
        signature = Credential(self.emulator.public_key, self.emulator.private_key).verify_ac(flat)  # adds PublicKey
        return {**flat, "Signature": signature}

    def send(self, action: str, **params: Any) -> requests.Response:
        """The HTTP response of a call; redirects are not followed."""
        return self.session.post(self.emulator.api_url, data=self.form(action, **params), timeout=5, allow_redirects=False)

    def __call__(self, action: str, **params: Any) -> dict[str, Any]:
        """The response of a call."""
        response = self.send(action, **params)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def code(self, action: str, **params: Any) -> int:
        """The return code of a call."""
        return int(self(action, **params)["RetCode"])

    def one(self, action: str, **params: Any) -> dict[str, Any]:
        """The only record that a Describe lists."""
        (info,) = self(action, **params)["Infos"]
        found: dict[str, Any] = info
        return found

    def ids(self, action: str, **params: Any) -> list[str]:
        """The ids that a Describe lists, in order."""
        name = {"DescribeSnapshot": "SnapshotID", "DescribeDisk": "DiskID", "DescribeVMInstance": "VMID"}[action]
        return [info[name] for info in self(action, **params)["Infos"]]

    def snapshot_status(self, snapshot_id: str) -> str:
        """As the API shows it."""
        return str(self.one("DescribeSnapshot", SnapshotIDs=[snapshot_id])["SnapshotStatus"])

    def disk_status(self, disk_id: str) -> str:
        """As the API shows it."""
        return str(self.one("DescribeDisk", DiskIDs=[disk_id])["DiskStatus"])

    def vm_state(self, vm_id: str) -> str:
        """As the API shows it."""
        return str(self.one("DescribeVMInstance", VMIDs=[vm_id])["State"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def generation() -> str:
    """The generation of the emulator; a test for every generation is parametrized with it."""
    return "1.x"


@pytest.fixture
def emulator(tmp_path: Path, clock: Clock, generation: str) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path, snapshot_seconds=60, rollback_seconds=90, snapshot_limit=3, generation=generation, clock=clock)
    with emulator as running:
        yield running


@pytest.fixture
def call(emulator: Emulator) -> Caller:
    return Caller(emulator)


@pytest.fixture
def disk(emulator: Emulator) -> str:
    """An unattached data disk of 1 GB."""
    return emulator.state.add_disk("data", 1)
