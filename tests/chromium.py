"""A real browser, driven over a pipe: what is laid out, what is read aloud, what keys reach."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# The browser reads and writes the descriptors 3 and 4, and no others.
_HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
_HIGH = 20
_SECONDS = 60.0


class Browser:
    """A browser without a window, and one page in it; names are not looked up."""

    def __init__(self, folder: Path) -> None:
        assert BROWSER is not None
        to_read, self._write = _pipe()
        self._read, to_write = _pipe()
        self._numbers = itertools.count(1)
        self._waiting = b""
        self.events: list[dict[str, Any]] = []
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip

        handed = [sys.executable, "-c", _HAND_OVER, str(to_read), str(to_write), *command]
        self._process = subprocess.Popen(
            handed, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Accessibility", "Network", "Log"):
            self.ask(f"{domain}.enable")

    _session: str | None = None

    def ask(self, method: str, **given: Any) -> Any:
        """Return the result of a command of the browser's protocol."""
        number = next(self._numbers)
        said = {"id": number, "method": method, "params": given}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            said["sessionId"] = self._session
        os.write(self._write, json.dumps(said).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def wait_for(self, event: str) -> dict[str, Any]:
        """Return the next event of a name."""
        while True:
            for n, one in enumerate(self.events):
                if one.get("method") == event:
                    return dict(self.events.pop(n)["params"])
            self.events.append(self._next())

    def open(self, path: Path, *, width: int = 1_100, is_dark: bool = False) -> None:
        """Open a page as a screen of some width shows it, light or dark."""
        scheme = "dark" if is_dark else "light"
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": scheme}])  # fmt: skip
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900,
                 deviceScaleFactor=1, mobile=width < 700)  # fmt: skip
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        self.wait_for("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Return what an expression yields in the page, whose own rules forbid it scripts."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("rawKeyDown", "char", "keyUp") if key == "Enter" else ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                     windowsVirtualKeyCode=code, text="\r" if key == "Enter" else "")  # fmt: skip

    def accessible(self) -> list[dict[str, Any]]:
        """Return what a screen reader is told, in its order: nodes with role, name and level."""
        nodes = {one["nodeId"]: one for one in self.ask("Accessibility.getFullAXTree")["nodes"]}
        root = next(one for one in nodes.values() if "parentId" not in one)
        return list(_spoken(root, nodes))

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def _next(self) -> dict[str, Any]:
        ends = time.monotonic() + _SECONDS
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._read], [], [], max(0.0, ends - time.monotonic()))
            read = os.read(self._read, 1 << 20) if ready else b""
            if not read:
                raise TimeoutError("the browser does not answer")
            self._waiting += read
        text, _, self._waiting = self._waiting.partition(b"\0")
        return dict(json.loads(text))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run a browser whose own files are in a folder."""
    one = Browser(folder)
    try:
        yield one
    finally:
        one.close()
        shutil.rmtree(folder / "profile", ignore_errors=True)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _HIGH) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _spoken(node: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if not node.get("ignored"):
        told = {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
        levels = [one for one in node.get("properties", ()) if one["name"] == "level"]
        yield told | {"level": levels[0]["value"]["value"] if levels else None}
    for child in node.get("childIds", ()):
        if child in nodes:
            yield from _spoken(nodes[child], nodes)
