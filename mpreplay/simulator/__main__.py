"""The rehearsal platform's process, started by ``simulate()``; ends with its parent.

A shell. The first line of input is the configuration, every further line a question; the answers
go to the output, each after a line with its size. The end of the input ends the process, so that
a killed parent leaves no orphan.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import orjson

from ..errors import ConfigError, ConnectError, MpReplayError
from .endpoint import Endpoint
from .faults import FaultScript
from .memory import Memory
from .platform import Platform
from .world import world_of

END = b"end"
# A client may nest JSON as deeply as orjson reads it, 1024 levels; Python's own limit is 1000.
_RECURSION = 10_000


def main() -> None:
    """Serve until the input ends."""
    # The parent handles Ctrl-C, and ends this process by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setrecursionlimit(_RECURSION)
    if not (line := sys.stdin.buffer.readline()):
        return
    configuration = orjson.loads(line)
    try:
        platform = _platform(configuration)
        if configuration["behind"] is None:
            asyncio.run(_serve(platform, configuration["host"], configuration["port"]))
        else:
            _respond(platform, configuration["behind"])
    except MpReplayError as error:
        _say({"error": type(error).__name__, "message": str(error)})


def _platform(configuration: dict[str, Any]) -> Platform:
    """Return the platform, with the memory of a former process that was killed."""
    faults = configuration["faults"]
    platform = Platform(
        world_of(configuration),
        faults and FaultScript.from_dict(faults),
        logging.getLogger("mpreplay").warning,
    )
    memory = Memory(configuration["memory"])
    platform.recall(memory.events(), memory.keep, configuration["killed_at"])
    return platform


async def _serve(platform: Platform, host: str, port: int) -> None:
    loop, end, endpoint = asyncio.get_running_loop(), asyncio.Event(), Endpoint(platform)

    def on_line(command: bytes | None) -> None:
        loop.call_soon_threadsafe(
            end.set if command is None else lambda: _answer(platform, command, endpoint)
        )

    def ready(host: str, port: int) -> None:
        _say({"host": host, "port": port})
        _listen(on_line)

    try:
        await endpoint.serve(host, port, ready, end)
    except (OSError, OverflowError) as error:
        kind = ConfigError if isinstance(error, OverflowError) else ConnectError
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise kind(
            f"cannot listen on {host}:{port} ({reason}); port=0 lets the system choose one"
        ) from error


def _respond(platform: Platform, behind: dict[str, Any]) -> None:
    from .responder import Responder

    responder = Responder(platform, **behind)
    _say({"host": behind["host"], "port": behind["port"]})

    def on_line(command: bytes | None) -> None:
        responder.call(None if command is None else lambda: _answer(platform, command))

    _listen(on_line)
    responder.run()


def _listen(on_line: Callable[[bytes | None], None]) -> None:
    """Hand over each line of input, and None at its end; on a thread, since reading blocks."""

    def listen() -> None:
        for line in sys.stdin.buffer:
            if line.strip() == END:
                break
            on_line(line.strip())
        on_line(None)

    threading.Thread(target=listen, daemon=True).start()


def _answer(platform: Platform, command: bytes, endpoint: Endpoint | None = None) -> None:
    if command.startswith(b"[") and endpoint is not None:
        name, *arguments = orjson.loads(command)
        does: dict[str, Callable[..., bool]] = {
            "kick": endpoint.kick,
            "stall": endpoint.stall,
            "away": endpoint.away,
        }
        if name in does:
            _say({"done": does[name](*arguments)})
            return
    try:
        pieces = list(platform.answer(command))
    except Exception as error:  # whatever it is: the parent waits for an answer
        _say({"error": type(error).__name__, "message": f"the rehearsal platform failed: {error}"})
        raise
    _say({"size": sum(map(len, pieces))}, pieces)


def _say(fields: dict[str, Any], pieces: list[bytes] | None = None) -> None:
    try:
        sys.stdout.buffer.write(orjson.dumps(fields) + b"\n")
        sys.stdout.buffer.writelines(pieces or ())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The parent is gone: no question is left to answer.
        os._exit(0)


if __name__ == "__main__":
    main()
