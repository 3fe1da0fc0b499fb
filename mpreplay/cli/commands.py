"""The command line: arguments in, exit status out. Each command is one call of the library."""

from __future__ import annotations

import shlex
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

from .history_options import history_of, values_of
from .options import LATER, TABLES, parser_of_commands
from .outputs import check_tables, checked_tables, write_table
from .speech import option, say_run, warn, with_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from ..secret import Secret

__all__ = ["main"]

OK: Final = 0
REJECTS: Final = 1
WRONG_INPUT: Final = 2
NO_CONNECTION: Final = 3
NOT_COMPLETE: Final = 4
INTERRUPTED: Final = 5
MAX_ROWS: Final = 20  # printed of a table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments; by default the arguments of the process.

    Returns
    -------
    int
        The exit status.
    """
    options = parser_of_commands().parse_args(arguments)
    arguments = None  # a URI stands there, and an error tracker would print it
    if options.verbose:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    warnings.showwarning = warn
    command = _COMMANDS[options.command]
    try:
        return command(options)
    except KeyboardInterrupt:
        print("mpreplay: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has closed the pipe: not an error
        return OK
    except Exception as error:
        from ..errors import MpReplayError, TransportError

        if not isinstance(error, MpReplayError):
            raise
        print(f"mpreplay: error: {with_options(error.message)}", file=sys.stderr)
        return NO_CONNECTION if isinstance(error, TransportError) else WRONG_INPUT


def _models(given: list[str]) -> Any:
    from ..errors import ConfigError
    from ..model.thing_model import ThingModel

    pairs = [text.rpartition("=") for text in given]
    if len(given) == 1 and not pairs[0][0]:
        return ThingModel.load(given[0])
    if missing := [path for product, _, path in pairs if not product]:
        raise ConfigError(
            f"--model {missing[0]}: with several models each is given as PRODUCT=FILE"
        )
    return {product: ThingModel.load(path) for product, _, path in pairs}


def _device(text: str, option: str) -> tuple[str, str]:
    from ..errors import ConfigError

    product_key, slash, device_key = text.partition("/")
    if not (product_key and slash and device_key):
        raise ConfigError(f"{option} {text}: expected PRODUCT/DEVICE")
    return product_key, device_key


def _demo(_options: argparse.Namespace) -> int:
    from ..demo import demonstrate

    return OK if demonstrate(print) else REJECTS


def _validate(options: argparse.Namespace) -> int:
    from ..checks.validation import validate

    history = history_of(options)
    tables = checked_tables({"violations": options.violations})
    check_tables(tables, options, history)
    validation = validate(history, _models(options.model), duplicates=options.duplicates)
    print(validation.spelled(option))
    if tables:
        write_table(validation.violations, tables["violations"], "violations")
    elif validation.n_violations:
        _show(validation.violations, validation.n_violations, "; --violations FILE keeps them")
    if validation.n_conflicts:
        print("\nin conflict with the other reading (replay --duplicates first or last decides):")
        _show(validation.conflicts, validation.n_conflicts)
    return OK if validation.ok else REJECTS


def _show(frame: pd.DataFrame, n: int, hint: str = "") -> None:
    """Print the first rows of n."""
    print(frame.head(MAX_ROWS).to_string(index=False))
    if n > MAX_ROWS:
        print(f"… and {n - MAX_ROWS:,} more{hint}")


def _replay(options: argparse.Namespace) -> int:
    from ..errors import ConfigError
    from ..journal.reader import read_journal
    from ..journal.summary import ended_of
    from ..runner.replaying import replay
    from ..settings import Connection

    connection = Connection.of(options.connection)
    history = history_of(options)
    tables = checked_tables({name: getattr(options, name) for name in TABLES})
    check_tables(tables, options, history, connection)
    models = _models(options.model)
    if options.connection is not None and connection.device_secret.reference is None:
        warn(
            "--connection shows the secret in the list of processes and in the shell's history: "
            "set MPREPLAY_CONNECTION instead, or refer to the secret with env%3ANAME"
        )
    run = replay(
        history,
        models,
        connection,
        allow_offline_sub_device=options.allow_offline_sub_device,
        skip_invalid_measurepoints=options.skip_invalid_measurepoints,
        sub_device_secrets=_secrets(options.sub_device_secrets),
        on_invalid=options.on_invalid,
        duplicates=options.duplicates,
        isolate=False if options.isolate == "no" else options.isolate,
        limits=_limits(options),
        journal=options.journal,
    )
    unwritten = []
    for name, path in tables.items():
        try:
            write_table(getattr(run, name), path, name)
        except ConfigError as error:  # a disk may be full: the run is told all the same
            unwritten.append(error)
    say_run(run, options.journal)
    if unwritten:
        raise unwritten[0]
    totals = run.summary()
    ended = ended_of(read_journal(run.path).facts())
    if ended is not None and ended.kind == "interrupted":
        return INTERRUPTED
    if not run.complete:
        return NOT_COMPLETE
    return OK if totals["accepted"] == totals["read"] else REJECTS


def _limits(options: argparse.Namespace) -> Any:
    import dataclasses

    from ..settings import Limits

    asked = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Limits)}
    given = {name: value for name, value in asked.items() if value is not None}
    for name in ("bytes_per_second", "values_per_second"):
        if given.get(name) == 0:
            given[name] = None
    if options.no_connect_limit:
        given["connects"] = None
    return Limits(**given)


def _secrets(path: str | None) -> dict[tuple[str, str], Secret] | None:
    from ..errors import ConfigError

    found = None if path is None else _secrets_in(path)
    if isinstance(found, str):
        raise ConfigError(
            f'{path}: {found}; expected {{"PRODUCT/DEVICE": "secret", …}}, a secret or env:NAME',
            argument="sub_device_secrets",
            value=path,
        )
    return found


def _secrets_in(path: str) -> dict[tuple[str, str], Secret] | str:
    """Return the secrets in a file, or what is wrong: an error raised here would hold its text."""
    import json
    from pathlib import Path

    from ..secret import Secret

    try:
        text = Path(path).read_text(encoding="utf-8")
        pairs = [(str(name), secret) for name, secret in json.loads(text, object_pairs_hook=list)]
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, TypeError):
        return "not the JSON that is expected"
    secrets: dict[tuple[str, str], Secret] = {}
    for number, (name, secret) in enumerate(pairs, 1):
        product_key, _, device_key = name.partition("/")
        if not (product_key and device_key) or (product_key, device_key) in secrets:
            return f"name {number} is no PRODUCT/DEVICE, or stands there twice"
        secrets[product_key, device_key] = Secret.sealed(secret)
    return secrets


def _report(options: argparse.Namespace) -> int:
    from ..audit.bundle import check_free
    from ..errors import ReplayWarning
    from ..journal.reader import read_journal
    from ..outputs import check_apart, path_of
    from ..report.outputs import check_outputs
    from ..report.writing import disagreements, warn_of
    from ..run import open_run

    tables = checked_tables({name: getattr(options, name) for name in (*TABLES, *LATER)})
    others = {name: getattr(options, name) for name in ("html", "audit")}
    files = {name: path_of(path, name) for name, path in others.items() if path is not None}
    run = open_run(options.journal)
    reader = read_journal(run.path)
    if audit := files.pop("audit", None):  # all is checked first: a failed command writes nothing
        check_free(audit.resolve())
    check_outputs(reader, None, {**tables, **files})
    check_apart({**tables, **files, **({"audit": audit} if audit else {})}, {})
    faults = disagreements(reader)
    if faults:
        warn_of(faults)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReplayWarning)  # already warned above
        _write_all(options, run, tables)
    if not (tables or others["html"] or others["audit"]):
        say_run(run, options.journal)
    return REJECTS if faults else OK


def _write_all(options: argparse.Namespace, run: Any, tables: dict[str, Path]) -> None:
    for name, path in tables.items():
        found = getattr(run, name)
        write_table(found() if name in LATER else found, path, name)
        print(f"{name}: {path}")
    if options.html:
        run.report(options.html)
        print(f"report: {options.html}")
    if options.audit:
        head = run.audit(options.audit)
        print(f"audit: {options.audit}\nhead: {head}\nKeep the head elsewhere; to check the audit:")
        print(f"  mpreplay verify {shlex.quote(options.audit)} --head {head}")
        print("Each audit of a journal has a head of its own, since it says when it was made.")


def _verify(options: argparse.Namespace) -> int:
    from pathlib import Path

    from ..audit.heads import compared, sealed_head, verify_audit
    from ..audit.source_files import source_of
    from ..display.amounts import count

    folder = Path(options.folder)
    sources = compared(folder, [source_of(source) for source in options.source])
    findings = verify_audit(folder, head=options.head)
    for file, where, finding in findings.itertuples(index=False):
        print(f"{file}{', ' if where else ''}{where}: {finding}")
    if len(findings):
        print(f"not as it was written: {count(len(findings), 'finding')}")
    else:
        print(f"verified: the audit itself is as it was written\nhead: {sealed_head(folder)}")
    if not options.head and not len(findings):
        print("Without the head of then (--head HEX), an audit made anew looks the same.")
    doubt = ", if the manifest can be believed" if len(findings) else ""
    for path, difference in sources:
        print(f"{path}: {difference or f'is what the run read{doubt}'}")
    return REJECTS if len(findings) or any(difference for _, difference in sources) else OK


def _simulate(options: argparse.Namespace) -> int:
    import dataclasses
    import time

    from ..model.thing_model import ThingModel
    from ..runner.interrupts import Interrupts
    from ..secret import Secret
    from ..simulator import PlatformLimits, simulate

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
            connection = platform.connection_for(*device)
            secret = connection.device_secret.reveal()
            plain = dataclasses.replace(connection, device_secret=Secret(secret))
            print(f"  {plain.to_uri(reveal_secret=True)}", flush=True)
        print("End with Ctrl-C.", flush=True)
        with Interrupts() as interrupts:
            while not interrupts.name:
                time.sleep(0.1)
        print(f"\n{len(platform.stored()):,} values stored")
    return OK


def _model(options: argparse.Namespace) -> int:
    from ..model.thing_model import ThingModel

    if options.draft:
        model = values_of(options).draft_model("observed" if options.ranges else None)
        for name, why in model.left_out.items():
            print(f"mpreplay: left out: {name} ({why})", file=sys.stderr)
        print(model.to_json())
        return OK
    model = ThingModel.load(options.history)
    if options.json:
        print(model.to_json())
        return OK
    print(model)
    for point in model.measurepoints.values():
        print(f"  {repr(point)[13:-1]}{f'  ({point.name})' if point.name else ''}")
    return OK


_COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "demo": _demo,
    "validate": _validate,
    "replay": _replay,
    "report": _report,
    "verify": _verify,
    "simulate": _simulate,
    "model": _model,
}
