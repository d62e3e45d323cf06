# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page in a real browser: headless Chromium, driven by the DevTools protocol over a pipe, without a library."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from .chromium import find_chromium

CHROMIUM = find_chromium() or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine: apt-get install chromium")
NARROW, WIDE = 400, 1280
"""Widths of a window in CSS pixels: a phone, and a screen."""


class Browser:
    """One page at a time. Each event of the protocol that nobody waits for is dropped."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers
        self._calls = 0
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method. Raises RuntimeError for an error of it, or if the browser ended."""
        self._calls += 1
        session = {"sessionId": self._session} if self._session else {}
        self._requests.write(json.dumps({"id": self._calls, "method": method, "params": params, **session}).encode() + b"\0")
        self._requests.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._calls:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser ended")
            message += byte
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, url: str, width: int = WIDE, *, dark: bool = False, media: str = "screen", scripts: bool = True) -> None:
        """Load a page, in a window of this width, and wait until it is complete. ``scripts``: whether those of the page may run."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._call("Page.navigate", url=url)
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page; ours run even if those of the page may not."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def accessibility(self) -> list[dict[str, Any]]:
        """What a screen reader gets: the nodes of the accessibility tree, those that it skips are ``ignored``."""
        nodes: list[dict[str, Any]] = self._call("Accessibility.getFullAXTree")["nodes"]
        return nodes

    def press(self, key: str, code: int) -> None:
        """Press and release a key, such as ``press("Tab", 9)``."""
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, height: int = 0) -> None:
        """Save a PNG of the top of the page, so many pixels high; by default of all of it."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser that uses this folder for its files. It cannot reach the network: a page that needs another host is incomplete."""
    to_browser, requests = os.pipe()
    answers, from_browser = os.pipe()
    # Chromium reads file descriptor 3 and writes 4.
    script = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
    command = [
        *("/bin/bash", "-c", script, "browser", CHROMIUM, "--headless", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
        *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb"),
        *("--no-first-run", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"),
    ]
    process = subprocess.Popen(
        command, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(profile)}
    )
    os.close(to_browser)
    os.close(from_browser)
    with os.fdopen(requests, "wb") as sending, os.fdopen(answers, "rb") as receiving:
        try:
            yield Browser(sending, receiving)
        finally:
            process.kill()
            process.wait()
