"""The options of a history: each says what its argument says in Python."""

from __future__ import annotations

from typing import Any

import pytest

import mpreplay as mp
from mpreplay.cli.history_options import history_of
from mpreplay.cli.options import parser_of_commands
from mpreplay.cli.speech import option
from mpreplay.doors import opening
from mpreplay.errors import Argument

COLUMNS: dict[str, Any] = {
    "Leistung [kW]": "P_avg",
    "Wind": mp.Column("Ws_avg", suffix="m/s", decimal=","),
    "Betrieb": mp.Column("Run", values={"ON": 1, "OFF": 0, "a:b": "x"}),
    "Status": mp.Column("State", labels=True, absent=("-", "Bad")),
    "Druck": mp.Column("p", scale=0.1, suffix=" bar"),
    "T": mp.Column("T", scale=10),
}
TEXTS = (
    mp.TextFormat(delimiter=";", decimal=",", encoding="cp1252", absent=("-", "Bad"), strip=True),
    mp.TextFormat(delimiter="\t"),
    mp.TextFormat(absent=("", "#N/A")),
)


def given_by(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """Return what a command passes to read_history."""
    passed: dict[str, Any] = {}
    monkeypatch.setattr(opening, "read_history", lambda source, **given: passed.update(given))
    history_of(parser_of_commands().parse_args(["validate", "x.csv", "--model", "m", *arguments]))
    return passed


def test_nothing_that_is_not_asked_for_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults stand in one place."""
    passed = given_by(monkeypatch)

    assert {name for name, value in passed.items() if value} == set()
    assert not {"plausible", "ambiguous", "only", "devices"} & set(passed)


def test_what_a_message_spells_is_read_as_it_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposal that cannot be pasted is none."""
    import shlex

    typed = shlex.split(option(Argument("points", COLUMNS)))
    assert given_by(monkeypatch, *typed)["points"] == COLUMNS
    for text in TEXTS:
        typed = shlex.split(option(Argument("text", text)))
        assert given_by(monkeypatch, *typed)["text"] == text


def test_each_option_reaches_its_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that is taken and not used would be a promise broken in silence."""
    passed = given_by(
        monkeypatch, "--time-format", "%d.%m.%Y", "--ambiguous", "infer", "--nonexistent",
        "shift_forward", "--plausible", "2000-01-01,+1d", "--devices", "T1", "--devices", "T2",
        "--only", "--decimal", ",",
    )  # fmt: skip

    assert passed["time_format"] == "%d.%m.%Y"
    assert (passed["ambiguous"], passed["nonexistent"]) == ("infer", "shift_forward")
    assert passed["plausible"] == ("2000-01-01", "+1d")
    assert passed["devices"] == ["T1", "T2"]
    assert passed["only"] is True
    assert passed["text"] == mp.TextFormat(decimal=",")
    assert given_by(monkeypatch, "--plausible", "no")["plausible"] is None
