"""Chromium without a window, driven over its DevTools pipe, and what it tells of a page.

A pipe needs no port and no library. Names are not looked up, and only loopback is asked: nothing
leaves this machine.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["CHROMIUM", "Browser", "Page"]

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OPTIONS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE: Final = 60.0  # for one answer of the browser [s]
# The browser takes its orders from descriptor 3 and answers on 4.
_START: Final = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
_EXEC: Final = "os.execv(sys.argv[3], sys.argv[3:])"


@dataclass
class Page:
    """What a browser noticed while a page was open."""

    said: list[str] = field(default_factory=list)  # errors and warnings, of scripts and of loading
    requests: list[str] = field(default_factory=list)


class Browser:
    """One Chromium with one tab; a context manager."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None, "there is no browser: chromium"
        orders, self._orders = _pipe()
        self._answers, answers = _pipe()
        command = [sys.executable, "-c", _START + _EXEC, str(orders), str(answers)]
        self._process = subprocess.Popen(
            [*command, CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}"],
            pass_fds=(orders, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(orders)
        os.close(answers)
        self._rest, self._last, self._session = b"", 0, ""
        self._loaded: set[str] = set()  # the loads that came to their end
        self.page = Page()
        tab = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            self._ask(f"{domain}.enable")
        self._ask("Page.setLifecycleEventsEnabled", enabled=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._process.kill()
        self._process.wait()
        os.close(self._orders)
        os.close(self._answers)

    def open(self, uri: str, width: int, height: int = 900, *, dark: bool = False) -> Page:
        """Load a page at a width, and return what it said and asked for until it was loaded."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._navigate("about:blank")  # what the page before still says is not said by this one
        self.page = Page()
        self._navigate(uri)
        self.pause()
        return self.page

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page, awaited if it is a promise."""
        told = self._ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key, such as Tab."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self._ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self._ask("Input.insertText", text=text)

    def pause(self) -> None:
        """Let the page work for a moment."""
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)))")

    def focused(self) -> int:
        """Return the node that has the focus, as the accessibility tree numbers it."""
        held = self._ask("Runtime.evaluate", expression="document.activeElement")["result"]
        return self._ask("DOM.describeNode", objectId=held["objectId"])["node"]["backendNodeId"]

    def tree(self) -> list[dict[str, Any]]:
        """Return the nodes that a screen reader is told, in the order in which it reads them."""
        nodes = {node["nodeId"]: node for node in self._ask("Accessibility.getFullAXTree")["nodes"]}
        order: list[dict[str, Any]] = []
        todo = [next(iter(nodes))]
        while todo:
            node = nodes[todo.pop()]
            order.append(node)
            todo += [one for one in reversed(node.get("childIds", [])) if one in nodes]
        return [node for node in order if not node["ignored"]]

    def picture(self, path: Path) -> None:
        """Write what is seen of the page."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def _navigate(self, uri: str) -> None:
        begun = self._ask("Page.navigate", url=uri)
        assert "errorText" not in begun, (uri, begun["errorText"])
        while begun["loaderId"] not in self._loaded:
            self._heed(self._message())

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        order: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        data = json.dumps(order).encode() + b"\0"
        while data:
            data = data[os.write(self._orders, data) :]
        while True:
            message = self._message()
            if message.get("id") == self._last:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._heed(message)

    def _message(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], until - time.monotonic())
            assert ready, f"the browser was silent for {PATIENCE:.0f} s"
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser is gone"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _heed(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Page.lifecycleEvent" if params["name"] == "load":
                self._loaded.add(params["loaderId"])
            case "Network.requestWillBeSent":
                self.page.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.page.said.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.page.said.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.page.said.append(str(params["entry"]))


def _pipe() -> tuple[int, int]:
    """Return both ends of a pipe, away from the descriptors that the browser wants."""
    import fcntl  # not on every system, nor is this pipe

    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
