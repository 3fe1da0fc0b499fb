"""Inputs of commands besides a history: models, devices, limits, secrets, a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from ..secret import Secret
    from .speech import Speaker

__all__ = [
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
