"""Clients and a broker of other people for tests, each installed into a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

NODE = shutil.which("node")
NPM = shutil.which("npm")
_INSTALLED_WITHIN = 300.0  # [s]
_READY = "installed"
# Of this environment, nothing of Python's is to reach another one.
_OTHER = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def vendors_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has the vendor's client, with the paho that it was written for."""
    with _place(tmp_path_factory, "vendor") as folder:
        python = folder / "bin" / "python"
        if not (folder / _READY).exists():
            _run([sys.executable, "-m", "venv", str(folder)], folder, "venv")
            packages = ["enos-mqtt-sdk-python==0.1.1", "paho-mqtt<2"]
            _run([str(python), "-m", "pip", "install", "-q", *packages], folder, "pip")
            (folder / _READY).touch()
        return python


def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder from which node finds MQTT.js and aedes."""
    if NODE is None or NPM is None:
        pytest.skip("node or npm is not installed")
    with _place(tmp_path_factory, "node") as folder:
        if not (folder / _READY).exists():
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
            _run([NPM, "install", *options, "mqtt@5", "aedes@1"], folder, "npm")
            (folder / _READY).touch()
        return folder


@contextlib.contextmanager
def _place(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """Give a folder that the processes of a test run share, to one of them at a time."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / f"foreign-{name}"
    with FileLock(base / f"foreign-{name}.lock"):
        folder.mkdir(exist_ok=True)
        yield folder


def _run(command: list[str], folder: Path, tool: str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=_OTHER, check=False,
        stdin=subprocess.DEVNULL, timeout=_INSTALLED_WITHIN,
    )  # fmt: skip
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        pytest.skip(f"{tool} could not install what is needed: {told[-1:]}")


def run_python(python: Path, script: str, *arguments: str) -> str:
    """Run a script in another environment, and return what it printed."""
    return _told([str(python), "-c", script, *arguments], python.parent)


def run_node(folder: Path, script: str, *arguments: str) -> str:
    """Run a script of node, and return what it printed."""
    return _told([str(NODE), "-e", script, *arguments], folder)


def _told(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=_OTHER, check=False, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


AEDES = """
const { Aedes } = require('aedes');
(async () => {
  const broker = await Aedes.createBroker();
  const server = require('net').createServer(broker.handle);
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
})();
"""


@contextlib.contextmanager
def aedes(folder: Path) -> Iterator[str]:
    """Run aedes on loopback until the end of the block; gives its address."""
    process = subprocess.Popen(
        [str(NODE), "-e", AEDES], cwd=folder, env=_OTHER, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        try:
            yield f"mqtt://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
