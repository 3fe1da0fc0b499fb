"""A replay from anywhere in a program: in threads, in forked children, and at the program's end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mpreplay as mp

PROGRAM = """
import atexit, os, sys, threading
import pandas as pd
import mpreplay as mp
from mpreplay.history import history as history_module

history_module.SLAB_ROWS = 100  # many slabs, so that threads are needed to the end
model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
frame = pd.DataFrame({"P": 1.5}, index=pd.date_range("2024", periods=1_000, freq="s", tz="UTC"))
history, limits = mp.read_history(frame), mp.Limits(connects=None, max_entries=50)
connections = [mp.Connection.from_uri(uri) for uri in sys.argv[2:]]

def go(connection=connections[0]):
    try:
        said = repr(mp.replay(history, model, connection, limits=limits, progress=False))
    except mp.MpReplayError as error:
        said = f"{type(error).__name__}: {error}"
    os.write(1, f"{said}\\n".encode())

def late():
    threading.main_thread().join()
    go()

mode = sys.argv[1]
if mode == "atexit":
    atexit.register(go)
if mode == "late":
    threading.Thread(target=late).start()
if mode == "under way":
    threading.Thread(target=go).start()
if mode == "daemon":
    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join()
if mode == "threads":
    for connection in connections:
        threading.Thread(target=go, args=(connection,)).start()
if mode == "fork":
    go()
    if not (child := os.fork()):
        go()
        os._exit(0)
    os.waitpid(child, 0)
    go()
"""


@pytest.mark.parametrize(
    ("mode", "n"),
    [("atexit", 1), ("late", 1), ("under way", 1), ("daemon", 1), ("threads", 2), ("fork", 3)],
)
def test_a_replay_works_or_says_that_it_cannot(mode: str, n: int, tmp_path: Path) -> None:
    """Nobody sees the traceback of a thread in a service, nor one at the end of a program."""
    model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
    limits = mp.PlatformLimits(connects=None)
    with mp.simulate(
        model, gateway=("meter", "m-1"), devices=[("meter", "m-2")], limits=limits
    ) as platform:
        uris = [platform.connection_for("meter", name).to_uri(reveal_secret=True)
                for name in ("m-1", "m-2")]  # fmt: skip
        environment: dict[str, Any] = {**os.environ, "MPREPLAY_STATE": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, mode, *uris],
            capture_output=True, text=True, check=False, env=environment, timeout=60,
        )  # fmt: skip
        stored = len(platform.stored())

    said = done.stdout.splitlines()
    refused = [line for line in said if line.startswith("ConfigError: a replay needs threads")]
    assert done.stderr == ""
    assert len(said) == n
    assert said == ["Run(1,000 of 1,000 values accepted)"] * n or (
        len(refused) == n and stored == 0 and sys.version_info >= (3, 12)
    )
