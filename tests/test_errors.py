"""Messages in parts, and what every exception keeps of them."""

from __future__ import annotations

import copy
import logging
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import mpreplay as mp
from mpreplay import errors
from mpreplay.cli.speech import option, with_options
from mpreplay.errors import Argument, Message, message
from mpreplay.order import check_arguments
from mpreplay.settings import Policy

HINT = message("give ", Argument("tz"), ", for example ", Argument("tz", "Europe/Paris"))
TEXT = "give tz=, for example tz='Europe/Paris'"
FRAME = pd.DataFrame({"violations": [1, 2]})
EXCEPTIONS: list[tuple[type[Exception], dict[str, Any]]] = [
    (errors.MpReplayError, {}),
    (errors.ConfigError, {"argument": "tz", "value": "Paris"}),
    (errors.HistoryError, {"argument": "time_unit", "value": "min"}),
    (errors.InvalidHistory, {"violations": FRAME}),
    (errors.TransportError, {}),
    (errors.ConnectError, {"is_final": True}),
    (errors.ConnectionLost, {"closed_by_peer": True}),
    (errors.PlatformError, {"payload": b"\x00"}),
    (errors.JournalError, {}),
    (errors.JournalMismatch, {"differs": ("model", "limits")}),
    (errors.Interrupted, {"run": None}),
    (errors.ReplayFailed, {"rejects": FRAME}),
    (errors.ReplayWarning, {}),
]
each_exception = pytest.mark.parametrize(("kind", "facts"), EXCEPTIONS)
MODEL = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})


@pytest.mark.parametrize(
    ("argument", "python", "command_line"),
    [
        (Argument("tz"), "tz=", "--tz"),
        (Argument("tz", "Europe/Paris"), "tz='Europe/Paris'", "--tz Europe/Paris"),
        (Argument("tz", "a\nb"), r"tz='a\nb'", r"--tz 'a\nb'"),
        (
            Argument("allow_offline_sub_device", True),
            "allow_offline_sub_device=True",
            "--allow-offline-sub-device",
        ),
        (Argument("ignore", ["x"]), "ignore=['x']", "--ignore x"),
        (Argument("on_invalid", "withhold"), "on_invalid='withhold'", "--on-invalid withhold"),
        (Argument("time_column"), "time_column=", "--time"),
        (Argument("product_column"), "product_column=", "--product"),
        (Argument("device_column"), "device_column=", "--device"),
        (Argument("points"), "points=", "--column"),
        (Argument("point_column"), "point_column=", "--long"),
        (Argument("quality"), "quality=", "--quality"),
    ],
)
def test_an_argument_is_spelled_as_python_and_as_an_option(
    argument: Argument, python: str, command_line: str
) -> None:
    """The same fact serves a program and a terminal."""
    assert str(argument) == f"{argument}" == python
    assert option(argument) == command_line


def test_a_message_is_spelled_by_its_reader() -> None:
    """No reader has to look for arguments in a finished sentence."""
    assert str(HINT) == f"{HINT}" == TEXT
    assert HINT.spelled(option) == "give --tz, for example --tz Europe/Paris"


def test_messages_in_a_message_are_flattened() -> None:
    """What is put before a message leaves its arguments as they are."""
    prefixed = message("a.parquet: ", message(message(HINT), "."))

    assert prefixed == ("a.parquet: ", *HINT, ".")
    assert str(prefixed) == f"a.parquet: {TEXT}."
    assert prefixed.count(Argument("tz", "Europe/Paris")) == 1
    assert message() == ()
    assert str(message()) == ""


def test_text_that_looks_like_an_argument_remains_text() -> None:
    """A folder called ``quality=3`` is a name of the caller's."""
    told = message("quality=3/a.parquet: name it in ", Argument("ignore"))

    assert with_options(told) == "quality=3/a.parquet: name it in --ignore"
    assert with_options("quality=3/a.parquet: tz=") == "quality=3/a.parquet: tz="


def test_every_exception_is_tested_here() -> None:
    """A new one must keep its message, too."""
    kinds = {one for one in vars(errors).values() if isinstance(one, type)}
    public = {one for one in kinds if issubclass(one, Exception) and one.__name__[0] != "_"}

    assert {kind for kind, _ in EXCEPTIONS} == public
    assert {kind.__name__ for kind in public} <= set(errors.__all__)


@each_exception
@pytest.mark.parametrize("given", ["give tz=", HINT])
def test_an_exception_shows_its_message_as_text(
    kind: Callable[..., Any], facts: dict[str, Any], given: str | Message
) -> None:
    """Loggers and tracebacks see a text, whatever the message was made of."""
    error = kind(given, **facts)

    assert str(error) == str(given)
    assert error.message is given
    assert type(error.args[0]) is str
    assert error.args[0] == str(given)


@each_exception
@pytest.mark.parametrize("given", ["give tz=", HINT])
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_exception_survives_pickling(
    kind: Callable[..., Any],
    facts: dict[str, Any],
    given: str | Message,
    copied: Callable[..., Any],
) -> None:
    """Worker processes hand exceptions on by pickling them."""
    error = copied(kind(given, **facts))

    assert type(error) is kind
    assert str(error) == str(given)
    assert error.message == given
    assert type(error.message) is type(given)
    for name, value in facts.items():
        kept = getattr(error, name)
        assert kept.equals(value) if value is FRAME else kept == value


def test_a_logger_shows_a_message(caplog: pytest.LogCaptureFixture) -> None:
    """A message is a tuple, and ``%`` takes tuples apart."""
    error = errors.HistoryError(HINT)
    logging.getLogger("test").warning("%s; %s", error.args[0], error.message)
    logging.getLogger("test").warning(error.args[0])

    assert caplog.messages == [f"{TEXT}; {TEXT}", TEXT]


def test_a_warning_keeps_its_message() -> None:
    """``warnings.warn`` hands the warning on as it was made."""
    with pytest.warns(mp.ReplayWarning) as caught:
        warnings.warn(errors.ReplayWarning(HINT), stacklevel=1)

    (warning,) = caught
    assert str(warning.message) == TEXT
    assert warning.message.message is HINT


def _history_of(times: list[Any], **arguments: Any) -> mp.History:
    frame = pd.DataFrame({"t": times, "P": [1.5] * len(times)})
    return mp.read_history(pa.Table.from_pandas(frame), time_column="t", **arguments)


def _validated(times: list[Any], **arguments: Any) -> Any:
    return mp.validate(_history_of(times, **arguments), MODEL)


def _checked(isolate: Any = "point", **policy: Any) -> None:
    Policy(**policy)
    check_arguments("plan", _history_of([]), isolate)


@pytest.mark.parametrize(
    ("call", "argument", "value"),
    [
        (lambda: _checked(on_invalid="drop"), "on_invalid", "drop"),
        (lambda: _checked(duplicates="both"), "duplicates", "both"),
        (lambda: _checked(isolate="value"), "isolate", "value"),
        (lambda: _history_of([], time_unit="min"), "time_unit", "min"),
        (lambda: _history_of([], start=1.5), "start", 1.5),
        (lambda: _history_of([], end="never"), "end", "never"),
        (lambda: _history_of([], start="2025", end="2024"), "start", "2025"),
        (lambda: _validated([1.5]), "time_unit", None),
        (lambda: _validated(["2024-01-01"]), "tz", None),
        (lambda: _validated(["2024-01-01"], tz="Atlantis"), "tz", "Atlantis"),
        (lambda: mp.validate(_history_of([]), MODEL, limits=5), "limits", 5),
        (lambda: mp.validate(_history_of([]), MODEL, gateway="gw"), "gateway", "gw"),
        (lambda: mp.plan(_history_of([]), MODEL, limits=5), "limits", 5),
    ],
)
def test_an_error_names_the_offending_argument(
    call: Callable[[], Any], argument: str, value: Any
) -> None:
    """A form can mark the field that is wrong."""
    with pytest.raises((mp.ConfigError, mp.HistoryError)) as caught:
        call()

    assert caught.value.argument == argument
    assert caught.value.value == value


def test_a_prefix_keeps_the_arguments_of_a_message() -> None:
    """The source stands before what its time column lacks."""
    with pytest.raises(mp.HistoryError) as caught:
        _validated(["2024-01-01"])

    told = with_options(caught.value.message)
    assert str(caught.value).endswith(f"{TEXT}, or times with an offset")
    assert told.endswith("give --tz, for example --tz Europe/Paris, or times with an offset")
