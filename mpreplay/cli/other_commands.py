"""Commands that help around a backfill: a demonstration, the rehearsal, models, completion."""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .command import OK, REJECTS, Answer, Command
from .documents import document
from .history_options import add_columns, values_of
from .inputs import device_of
from .speech import on_stdout, with_options

if TYPE_CHECKING:
    from .parsing import Parser
    from .speech import Speaker

__all__ = ["COMMANDS"]

log = logging.getLogger("mpreplay")
SHELLS: Final = ("bash", "zsh", "tcsh")


def _add_demo(_parser: Parser) -> None:
    pass


def _demo(_options: argparse.Namespace, say: Speaker) -> Answer:
    from ..demo import demonstrate

    is_as_planted = demonstrate(say)
    return Answer(OK if is_as_planted else REJECTS, {"as_planted": is_as_planted})


def _add_simulate(parser: Parser) -> None:
    to = parser.general
    to.add_argument("--model", metavar="FILE", required=True, help="thing model, as JSON")
    to.add_argument(
        "--gateway", metavar="PRODUCT/DEVICE", default="gateway/gw-1", help="default: gateway/gw-1"
    )
    to.add_argument(
        "--topology", metavar="FILE", help="of a fleet, as CSV: its gateways in place of one"
    )
    for name, text in (
        ("sub-device", "in the gateway's topology"),
        ("online", "likewise, and signed in already"),
        ("device", "one that exists and is not in the topology"),
    ):
        to.add_argument(
            f"--{name}", metavar="PRODUCT/DEVICE", action="append", default=[], help=text
        )
    to.add_argument("--port", type=int, default=0, help="default: any free one")
    to.add_argument("--no-connect-limit", action="store_true", help="allow any number of connects")
    to.add_argument("--behind", metavar="mqtt://HOST:PORT", help="serve behind this broker")
    to.add_argument(
        "--faults",
        metavar="TEXT",
        help='what goes wrong: a seed like 7, "lose_reply=0.1 delay=0.2:1.5", or "script: ok kick '
        'delay:0.5"; python -m pydoc mpreplay.simulator.faults lists the words',
    )


def _simulate(options: argparse.Namespace, say: Speaker) -> Answer:
    import time

    from ..model.thing_model import ThingModel
    from ..runner.interrupts import Interrupts
    from ..simulator import PlatformLimits, simulate

    online = [device_of(text, "--online") for text in options.online]
    limits = PlatformLimits(connects=None) if options.no_connect_limit else PlatformLimits()
    gateways = None if options.topology is None else _gateways_in(options.topology)
    own: dict[str, Any] = {
        "sub_devices": [
            *online,
            *(device_of(text, "--sub-device") for text in options.sub_device),
        ],
        "gateway": device_of(options.gateway, "--gateway"),
    }
    with simulate(
        ThingModel.load(options.model),
        **(own if gateways is None else {"gateways": gateways.subs}),
        online=online,
        devices=[device_of(text, "--device") for text in options.device],
        limits=limits,
        port=options.port,
        behind=options.behind,
        faults=options.faults,
    ) as platform:
        uris = _uris(platform)
        say(f"{platform}\nMade-up secrets, good for this platform only:")
        names = {} if gateways is None else gateways.variables
        for number, uri in enumerate(uris):
            say(f"  export {names[number]}='{uri}'" if number in names else f"  {uri}")
        say("End with Ctrl-C.")
        with Interrupts() as interrupts:
            if options.json:  # now: its caller waits for the addresses, not for the end
                on_stdout(document("simulate", OK, {"port": platform.port, "connections": uris}))
                options.json = False
            while not interrupts.name:
                time.sleep(0.1)
        say(f"\n{len(platform.stored()):,} values stored")
    return Answer(OK)


class _Gateways(NamedTuple):
    """The gateways of a topology, for the rehearsal platform.

    Parameters
    ----------
    subs : dict
        Each gateway with its sub-devices.
    variables : dict of int to str
        The variable that a gateway's connection refers to, by the gateway's number.
    """

    subs: dict[tuple[str, str], list[tuple[str, str]]]
    variables: dict[int, str]


def _gateways_in(path: str) -> _Gateways:
    """Return the gateways of a fleet; one whose keys only its worker can tell has made-up keys."""
    from ..fleet.topology import topology_of
    from ..settings import Connection

    found = _Gateways({}, {})
    for number, member in enumerate(topology_of(path)):
        where = member.gateway.connection
        if isinstance(where, Connection):
            key = where.product_key, where.device_key
        else:
            key = "gateway", member.name
            kind, _, name = (where.reference or "").partition(":")
            if kind == "env":
                found.variables[number] = name
        found.subs[key] = [(one[0], one[1]) for one in member.gateway.devices if one != key]
    return found


def _uris(platform: Any) -> list[str]:
    """Return the connections of the gateway and of the other devices, with their secrets."""
    import dataclasses

    from ..secret import Secret

    uris = []
    for device in [platform.connection.device, *platform.devices]:
        connection = platform.connection_for(*device)
        secret = Secret(connection.device_secret.reveal())
        plain = dataclasses.replace(connection, device_secret=secret)
        uris.append(plain.to_uri(reveal_secret=True))
    return uris


def _add_model(parser: Parser) -> None:
    to = parser.general
    to.add_argument(
        "history",
        metavar="FILE",
        help="thing model as JSON; with --draft: readings, as for validate",
    )
    to.add_argument(
        "--draft",
        action="store_true",
        help="guess a model from readings, which the options below describe",
    )
    to.add_argument(
        "--ranges", action="store_true", help="with --draft: propose the ranges of the values seen"
    )
    add_columns(parser)


def _model(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..model.thing_model import ThingModel

    if options.draft:
        model = values_of(options).draft_model("observed" if options.ranges else None)
        for name, why in model.left_out.items():
            log.warning("left out: %(name)s (%(why)s)", {"name": name, "why": why})
        for hint in model._hints:
            log.warning("%(hint)s", {"hint": with_options(hint)})
        say(model.to_json())
    else:
        model = ThingModel.load(options.history)
        say(model)
        for point in model.measurepoints.values():
            say(f"  {repr(point)[13:-1]}{f'  ({point.name})' if point.name else ''}")
    return Answer(OK, json.loads(model.to_json()), is_whole=True)


def _add_completion(parser: Parser) -> None:
    parser.general.add_argument("shell", choices=SHELLS, help="bash, zsh or tcsh")


def _completion(options: argparse.Namespace, say: Speaker) -> Answer:
    import importlib

    from ..errors import ConfigError

    try:
        shtab = importlib.import_module("shtab")
    except ImportError:
        raise ConfigError("completion needs shtab: pip install 'mpreplay[complete]'") from None
    for parser in (options.program, *options.program.commands.values()):
        _made_complete(parser, shtab)
    script = shtab.complete(options.program, options.shell)
    say(script)
    return Answer(OK, {"shell": options.shell, "script": script})


def _made_complete(parser: Parser, shtab: Any) -> None:
    """Give each option of a parser its meaning, and each that takes a file the files."""
    for action in parser._actions:
        for other in getattr(action, "in_its_line", []):  # the help tells them with their first
            other.help = action.help
        if str(action.metavar).rpartition("]")[2] in _PATHS:
            action.complete = shtab.FILE  # type: ignore[attr-defined]


_PATHS: Final = frozenset({"FILE", "PATH", "FOLDER", "HISTORY", "JOURNAL"})
COMMANDS: Final = (
    Command(
        "demo",
        "replay a small wind farm against the rehearsal platform",
        _add_demo,
        _demo,
        modules=("..demo",),
    ),
    Command(
        "simulate",
        "run the rehearsal platform until interrupted",
        _add_simulate,
        _simulate,
        "--model FILE [options]",
        "--model model.json --sub-device wind-turbine/T01",
    ),
    Command(
        "model",
        "show a thing model, convert it, or draft one",
        _add_model,
        _model,
        "FILE [options]",
        "export.csv --draft --ranges --time Zeit > model.json",
    ),
    Command(
        "completion",
        "print the completion of a shell",
        _add_completion,
        _completion,
        "{bash,zsh,tcsh}",
        "bash > ~/.local/share/bash-completion/completions/mpreplay",
    ),
)
