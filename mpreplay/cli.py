"""The command line: arguments in, exit status out. Each command is one call of the library."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

OK: Final = 0
REJECTS: Final = 1
WRONG_INPUT: Final = 2
NO_CONNECTION: Final = 3
NOT_COMPLETE: Final = 4
INTERRUPTED: Final = 5
STATUS: Final = """\
exit status:
  0  every value is accounted for and accepted (validate: every value is valid)
  1  some values were not accepted (validate: not valid); the rejects say which and why
  2  something given cannot work: an argument, the thing model, the history, the journal
  3  no connection to the platform
  4  the run ended before everything was settled
  5  interrupted
"""
CONNECTION: Final = "mqtt://DEVICE:SECRET@HOST:PORT/PRODUCT"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit status.
    """
    options = _parser().parse_args(arguments)
    if options.verbose:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        print("mpreplay: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone; nothing is wrong
        return OK
    except Exception as error:
        from .errors import MpReplayError, TransportError

        if not isinstance(error, MpReplayError):
            raise
        print(f"mpreplay: error: {error}", file=sys.stderr)
        return NO_CONNECTION if isinstance(error, TransportError) else WRONG_INPUT


def _parser() -> argparse.ArgumentParser:
    from . import __version__

    parser = argparse.ArgumentParser(
        prog="mpreplay",
        description="Backfill history into an EnOS IoT platform; every value's fate is on record.",
        epilog=STATUS,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"mpreplay {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is being done")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_validate(commands)
    _add_replay(commands)
    _add_simulate(commands)
    _add_model(commands)
    return parser


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with an option and its meaning on one line, so that it fits a screen."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=36, width=100)


def _add(
    commands: Any, name: str, command: Any, text: str, usage: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        usage=f"mpreplay {name} {usage}".rstrip(),
        formatter_class=_Help,
    )
    parser.set_defaults(command=command)
    return parser


HISTORY_USAGE: Final = "HISTORY --model [PRODUCT=]FILE --time COLUMN [options]"


def _add_demo(commands: Any) -> None:
    _add(commands, "demo", _demo, "replay a small wind farm against the rehearsal platform")


def _add_validate(commands: Any) -> None:
    parser = _add(
        commands, "validate", _validate, "check a history against a thing model", HISTORY_USAGE
    )
    _add_history(parser)
    parser.add_argument(
        "--violations", metavar="FILE", help="write them to a .parquet or .csv file"
    )


def _add_replay(commands: Any) -> None:
    parser = _add(commands, "replay", _replay, "send a history to the platform", HISTORY_USAGE)
    _add_history(parser)
    to = parser.add_argument_group("how to send it")
    to.add_argument("--connection", metavar="URI", help=f"{CONNECTION}, or MPREPLAY_CONNECTION")
    to.add_argument(
        "--allow-offline-sub-device", action="store_true", help="let the platform take their data"
    )
    to.add_argument(
        "--skip-invalid-measurepoints", action="store_true", help="let the platform drop values"
    )
    to.add_argument(
        "--sub-device-secrets",
        metavar="FILE",
        help='JSON: {"PRODUCT/DEVICE": "secret or env:NAME"}',
    )
    to.add_argument(
        "--on-invalid",
        choices=("raise", "withhold", "send"),
        default="raise",
        metavar="WHAT",
        help="raise (default), withhold, or send invalid values",
    )
    to.add_argument(
        "--duplicates",
        choices=("raise", "first", "last"),
        default="raise",
        metavar="WHAT",
        help="raise (default), or send the first or last of two readings",
    )
    to.add_argument("--max-bytes", type=int, metavar="N", help="of a request, default 480000")
    to.add_argument("--max-entries", type=int, metavar="N", help="of a request")
    to.add_argument(
        "--bytes-per-second", type=float, metavar="N", help="default 1000000; 0: no limit"
    )
    to.add_argument("--values-per-second", type=float, metavar="N", help="default: no limit")
    to.add_argument("--window", type=int, metavar="N", help="requests in flight, default 16")
    out = parser.add_argument_group("what to keep (.parquet or .csv)")
    out.add_argument("--journal", metavar="PATH", help="a file, or a folder for a file a run")
    for name, text in (
        ("results", "one row a request"),
        ("rejects", "one row a value that did not arrive"),
        ("books", "one row a device and day"),
    ):
        out.add_argument(f"--{name}", metavar="FILE", help=text)


def _add_simulate(commands: Any) -> None:
    parser = _add(
        commands,
        "simulate",
        _simulate,
        "run the rehearsal platform until interrupted",
        "--model FILE [options]",
    )
    parser.add_argument("--model", metavar="FILE", required=True, help="thing model, as JSON")
    parser.add_argument(
        "--gateway", metavar="PRODUCT/DEVICE", default="gateway/gw-1", help="default: gateway/gw-1"
    )
    for name, text in (
        ("sub-device", "in the gateway's topology"),
        ("online", "likewise, and signed in already"),
        ("device", "one that exists and is not in the topology"),
    ):
        parser.add_argument(
            f"--{name}", metavar="PRODUCT/DEVICE", action="append", default=[], help=text
        )
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument(
        "--no-connect-limit", action="store_true", help="allow any number of connects"
    )
    parser.add_argument("--behind", metavar="mqtt://HOST:PORT", help="serve behind this broker")
    parser.add_argument(
        "--faults",
        metavar="TEXT",
        help='what goes wrong: a seed like 7, "lose_reply=0.1 delay=0.2:1.5", or "script: ok kick '
        'delay:0.5"; the words stand in the README and in pydoc mpreplay.simulator.faults',
    )


def _add_model(commands: Any) -> None:
    parser = _add(
        commands, "model", _model, "show a thing model, convert it, or draft one", "FILE [options]"
    )
    parser.add_argument(
        "file", metavar="FILE", help="thing model as JSON; with --draft: a Parquet file"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--draft", action="store_true", help="guess a model from readings")
    parser.add_argument(
        "--ignore", metavar="COLUMN", action="append", default=[], help="with --draft: no reading"
    )


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "history", metavar="HISTORY", help="a Parquet file, a folder of them, or a pattern"
    )
    parser.add_argument(
        "--model", metavar="[PRODUCT=]FILE", action="append", required=True,
        help="thing model as JSON; once a product, if there are several",
    )  # fmt: skip
    columns = parser.add_argument_group("its columns")
    columns.add_argument("--time", metavar="COLUMN", required=True, help="when")
    columns.add_argument("--tz", metavar="ZONE", help="the zone of naive times")
    columns.add_argument(
        "--time-unit",
        choices=("s", "ms", "us", "ns"),
        metavar="UNIT",
        help="of numeric times: s, ms, us, ns",
    )
    columns.add_argument("--device", metavar="COLUMN", help="device keys")
    columns.add_argument("--device-key", metavar="KEY", help="or one for all rows")
    columns.add_argument("--product", metavar="COLUMN", help="product keys")
    columns.add_argument("--product-key", metavar="KEY", help="or one for all rows")
    columns.add_argument(
        "--point",
        metavar="COLUMN=NAME",
        action="append",
        default=[],
        help="a column called otherwise than its point",
    )
    columns.add_argument(
        "--quality",
        metavar="COLUMN=COLUMN",
        action="append",
        default=[],
        help="a column and that of its quality",
    )
    columns.add_argument(
        "--ignore", metavar="COLUMN", action="append", default=[], help="no reading"
    )
    columns.add_argument("--long", metavar="POINT,VALUE[,QUALITY]", help="columns of the long form")
    columns.add_argument("--start", metavar="TIME", help="from here on, UTC")
    columns.add_argument("--end", metavar="TIME", help="before here, UTC")


def _history(options: argparse.Namespace) -> Any:
    from .history import read_history

    long = [*(options.long or "").split(","), None, None, None][:3]
    return read_history(
        options.history,
        time_column=options.time,
        tz=options.tz,
        time_unit=options.time_unit,
        device_column=options.device,
        device_key=options.device_key,
        product_column=options.product,
        product_key=options.product_key,
        points=_pairs(options.point, "--point") or None,
        quality=_pairs(options.quality, "--quality") or None,
        ignore=options.ignore,
        point_column=long[0] or None,
        value_column=long[1],
        quality_column=long[2],
        start=options.start,
        end=options.end,
    )


def _models(given: list[str]) -> Any:
    from .errors import ConfigError
    from .thing_model import ThingModel

    pairs = [text.rpartition("=") for text in given]
    if len(given) == 1 and not pairs[0][0]:
        return ThingModel.load(given[0])
    if missing := [path for product, _, path in pairs if not product]:
        raise ConfigError(
            f"--model {missing[0]}: with several models each is given as PRODUCT=FILE"
        )
    return {product: ThingModel.load(path) for product, _, path in pairs}


def _pairs(given: list[str], option: str) -> dict[str, str]:
    from .errors import ConfigError

    pairs = {}
    for text in given:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise ConfigError(f"{option} {text}: expected two names with = between them")
        pairs[left] = right
    return pairs


def _device(text: str, option: str) -> tuple[str, str]:
    from .errors import ConfigError

    product_key, slash, device_key = text.partition("/")
    if not (product_key and slash and device_key):
        raise ConfigError(f"{option} {text}: expected PRODUCT/DEVICE")
    return product_key, device_key


def _demo(_options: argparse.Namespace) -> int:
    from .demo import demonstrate

    return OK if demonstrate(print) else REJECTS


def _validate(options: argparse.Namespace) -> int:
    from .validation import validate

    validation = validate(_history(options), _models(options.model))
    print(validation)
    if options.violations:
        _write(validation.violations, options.violations)
    elif validation.n_violations:
        print(validation.violations.head(20).to_string(index=False))
    return OK if validation.ok else REJECTS


def _replay(options: argparse.Namespace) -> int:
    from .replaying import replay
    from .settings import Connection

    connection = (
        Connection.from_uri(options.connection)
        if options.connection
        else Connection.from_environment()
    )
    run = replay(
        _history(options),
        _models(options.model),
        connection,
        allow_offline_sub_device=options.allow_offline_sub_device,
        skip_invalid_measurepoints=options.skip_invalid_measurepoints,
        sub_device_secrets=_secrets(options.sub_device_secrets),
        on_invalid=options.on_invalid,
        duplicates=options.duplicates,
        limits=_limits(options),
        journal=options.journal,
    )
    for name in ("results", "rejects", "books"):
        if path := getattr(options, name):
            _write(getattr(run, name), path)
    _say_run(run)
    totals = run.summary()
    if str(totals["stopped"]).startswith("interrupted"):
        return INTERRUPTED
    if not run.complete:
        return NOT_COMPLETE
    return OK if totals["accepted"] == totals["read"] else REJECTS


def _say_run(run: Any) -> None:
    from .results import causes

    print(run)
    rejects = run.rejects
    if len(rejects):
        found = causes(rejects)
        print("\nwhy values did not arrive:")
        for cause in found.head(20).itertuples():
            print(
                f"  {cause.values:,} {cause.outcome}: {cause.measurepoint or 'row'} of "
                f"{cause.device_key}: {cause.reason} [{cause.check}]. To do: {cause.mend}"
            )
        if len(found) > 20:
            print(f"  … and {len(found) - 20} causes more; --rejects FILE keeps them all")


def _limits(options: argparse.Namespace) -> Any:
    from .settings import Limits

    names = ("max_bytes", "max_entries", "window", "bytes_per_second", "values_per_second")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    for name in ("bytes_per_second", "values_per_second"):
        if given.get(name) == 0:
            given[name] = None
    return Limits(**given)


def _secrets(path: str | None) -> dict[tuple[str, str], str] | None:
    if path is None:
        return None
    import json
    from pathlib import Path

    from .errors import ConfigError

    try:
        secrets = json.loads(Path(path).read_text(encoding="utf-8"))
        return {_device(device, "sub-device"): str(secret) for device, secret in secrets.items()}
    except (OSError, ValueError, AttributeError) as error:
        told = (
            error if isinstance(error, ConfigError | OSError) else "not the JSON that is expected"
        )
        raise ConfigError(
            f'{path}: {told}; expected {{"PRODUCT/DEVICE": "secret", …}}, a secret or env:NAME'
        ) from None  # the text may hold a secret


def _write(frame: Any, path: str) -> None:
    from .errors import ConfigError

    try:
        if path.endswith(".parquet"):
            frame.to_parquet(path, index=False)
        elif path.endswith(".csv"):
            frame.to_csv(path, index=False)
        else:
            raise ConfigError(f"{path}: the name must end in .parquet or .csv")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error


def _simulate(options: argparse.Namespace) -> int:
    import threading

    from .simulator import PlatformLimits, simulate
    from .thing_model import ThingModel

    online = [_device(text, "--online") for text in options.online]
    limits = PlatformLimits(connects=None) if options.no_connect_limit else PlatformLimits()
    with simulate(
        ThingModel.load(options.model),
        sub_devices=[*online, *(_device(text, "--sub-device") for text in options.sub_device)],
        gateway=_device(options.gateway, "--gateway"),
        online=online,
        devices=[_device(text, "--device") for text in options.device],
        limits=limits,
        port=options.port,
        behind=options.behind,
        faults=options.faults,
    ) as platform:
        print(f"{platform}\nMade-up secrets, good for this platform only:", flush=True)
        for device in [platform.connection.device, *platform.devices]:
            uri = platform.connection_for(*device).to_uri(reveal_secret=True)
            print(f"  {uri}", flush=True)
        print("End with Ctrl-C.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"\n{len(platform.stored()):,} values stored")
    return OK


def _model(options: argparse.Namespace) -> int:
    from .thing_model import ThingModel

    if options.draft:
        model = ThingModel.from_frame(_readings(options.file), ignore=tuple(options.ignore))
        print(model.to_json())
        return OK
    model = ThingModel.load(options.file)
    if options.json:
        print(model.to_json())
        return OK
    print(model)
    for point in model.measurepoints.values():
        print(f"  {repr(point)[13:-1]}{f'  ({point.name})' if point.name else ''}")
    return OK


def _readings(path: str) -> Any:
    """Return the first readings of a Parquet file."""
    import pyarrow.parquet as pq

    from .errors import HistoryError

    try:
        with pq.ParquetFile(path) as file:
            return next(file.iter_batches(65_536)).to_pandas()
    except (OSError, ValueError, StopIteration) as error:
        raise HistoryError(f"{path}: cannot be read as Parquet ({error})") from error
