"""Inputs of commands: models, devices, limits, secrets, a connection, a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .history_options import history_arguments
from .sending_options import TABLES

if TYPE_CHECKING:
    import argparse

    from ..jobs.arguments import Arguments
    from ..jobs.job import Job
    from ..secret import Secret
    from .speech import Speaker

__all__ = [
    "arguments_over",
    "connection_of",
    "device_of",
    "limits_of",
    "models_in",
    "models_of",
    "policy_of",
    "secrets_of",
]


def connection_of(options: argparse.Namespace, say: Speaker) -> Any:
    """Return the connection, with a warning if its secret stands on the command line."""
    from ..settings import Connection

    connection = Connection.of(options.connection)
    if options.connection is not None and connection.device_secret.reference is None:
        say.warn(
            "--connection shows the secret in the list of processes and in the shell's history: "
            "set MPREPLAY_CONNECTION instead, or refer to the secret with env%3ANAME"
        )
    return connection


def policy_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that ``replay`` and ``plan`` have in common."""
    return {
        "allow_offline_sub_device": options.allow_offline_sub_device,
        "skip_invalid_measurepoints": options.skip_invalid_measurepoints,
        "sub_device_secrets": secrets_of(options.sub_device_secrets),
        "on_invalid": options.on_invalid,
        "duplicates": options.duplicates,
        "isolate": False if options.isolate == "no" else options.isolate,
        "limits": limits_of(options),
    }


def models_of(given: list[str]) -> Any:
    """Return the thing model, or a mapping of product to thing model."""
    from ..model.thing_model import ThingModel

    files = models_in(given)
    if isinstance(files, str):
        return ThingModel.load(files)
    return {product: ThingModel.load(path) for product, path in files.items()}


def models_in(given: list[str]) -> str | dict[str, str]:
    """Return the file of the thing model, or that of each product."""
    from ..errors import ConfigError

    if not given:
        raise ConfigError("--model FILE is missing: the thing model, as JSON", argument="model")
    pairs = [text.rpartition("=") for text in given]
    if len(given) == 1 and not pairs[0][0]:
        return given[0]
    if missing := [path for product, _, path in pairs if not product]:
        raise ConfigError(
            f"--model {missing[0]}: with several models each is given as PRODUCT=FILE"
        )
    return {product: path for product, _, path in pairs}


def device_of(text: str, option: str) -> tuple[str, str]:
    """Return the keys in PRODUCT/DEVICE."""
    from ..errors import ConfigError

    product_key, slash, device_key = text.partition("/")
    if not (product_key and slash and device_key):
        raise ConfigError(f"{option} {text}: expected PRODUCT/DEVICE")
    return product_key, device_key


def limits_of(options: argparse.Namespace) -> Any:
    """Return the limits that the options of a command ask for."""
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


def secrets_of(path: str | None) -> dict[tuple[str, str], Secret] | None:
    """Return the secrets of sub-devices in a file."""
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


_POLICIES: Final = ("on_invalid", "duplicates", "isolate")  # they have defaults
_FLAGS: Final = ("allow_offline_sub_device", "skip_invalid_measurepoints")
# Arguments of a history of which one replaces the other.
_APART: Final = (
    {"device_column", "device_key"},
    {"product_column", "product_key"},
    {"time_unit", "time_format"},
)
_MERGED: Final = ("points", "quality", "text")


def arguments_over(job: Job, options: argparse.Namespace) -> Arguments:
    """Return the arguments of a job, with the options that are given in their place."""
    run_key = getattr(options, "run_key", None)
    made = job.arguments(options.start, options.end, run_key)
    if hasattr(options, "column"):
        _over_history(made.history, history_arguments(options))
    if getattr(options, "model", None):
        made.models = models_in(options.model)
    named = vars(options).get("given", ())
    policies = {name: getattr(options, name) for name in _POLICIES if name in named}
    made.replay |= policies | {name: True for name in _FLAGS if getattr(options, name, False)}
    if made.replay.get("isolate") == "no":
        made.replay["isolate"] = False
    made.limits |= _limits(options)
    if getattr(options, "connection", None) is not None:
        made.connection = {"given": options.connection}
    if getattr(options, "sub_device_secrets", None) is not None:
        made.sub_device_secrets = secrets_of(options.sub_device_secrets)
    _over_record(made, options, run_key)
    return made


def _over_history(made: dict[str, Any], given: Mapping[str, Any]) -> None:
    for pair in _APART:
        if pair & given.keys():
            for name in pair:
                made.pop(name, None)
    for name, value in given.items():
        made[name] = {**made.get(name, {}), **value} if name in _MERGED else value


def _limits(options: argparse.Namespace) -> dict[str, Any]:
    """Return the limits that are given; False for one that is switched off."""
    from ..jobs.keys import LIMITS

    asked = {name: getattr(options, name, None) for name in LIMITS.keys}
    given = {name: value for name, value in asked.items() if value is not None}
    for name in ("bytes_per_second", "values_per_second"):
        if given.get(name) == 0:
            given[name] = False
    return given | ({"connects": False} if getattr(options, "no_connect_limit", None) else {})


def _over_record(made: Arguments, options: argparse.Namespace, run_key: str | None) -> None:
    """Replace the job's journal, tables and acceptance rules by the options'."""
    if getattr(options, "journal", None) is not None:
        made.journal, made.run_key = options.journal, run_key
    for name in TABLES:
        path = getattr(options, name, None)
        if path is not None:
            made.outputs.pop(name, None)
        if path not in (None, "-"):
            made.outputs[name] = Path(path)
    allow, at_most = getattr(options, "allow", []), getattr(options, "max_rejects", None)
    given = {"allow": allow} if allow else {}
    given |= {"at_most": at_most} if "max_rejects" in vars(options).get("given", ()) else {}
    if given:
        made.accept = {**(made.accept or {}), **given}
    if getattr(options, "wait", None) is not None:
        made.replay["wait"] = options.wait
