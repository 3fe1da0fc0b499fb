"""The words of every kind of reason, and of every advice."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import mpreplay
from mpreplay import Measurepoint
from mpreplay.display.facts import CHECKS, Detail
from mpreplay.display.reasons import _ADVICE, _OF_MANY, _REASONS, advice, cause_reason, reason
from mpreplay.frames import FATES
from mpreplay.model.point_types import POINT_TYPES
from mpreplay.model.rules import RULE_WORDS
from mpreplay.model.schemas import rules_of
from mpreplay.outcome.advice import BLAMES, advice_of
from mpreplay.protocol.codes import RETURN_CODES

OUTSIDE = Detail("range", (-60, 60, False, False, "degC"))
LONG = Detail("length", (8,))
# One of each kind, and what is said of it.
SAID = [
    (OUTSIDE, "outside [-60, 60] degC"),
    (Detail("range", (0, None, True, False, "")), "outside (0, inf)"),
    (Detail("int_range"), "outside the 32 bits of an INT"),
    (Detail("enum", ((0, 1, "on"),)), "not one of 0, 1, on"),
    (Detail("enum", (tuple(range(11)),)), "not one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"),
    (LONG, "longer than 8 bytes"),
    (Detail("date"), "not a date as yyyy-MM-dd HH:mm:ss"),
    (Detail("items", (1024,)), "more than 1024 items"),
    (Detail("required", ("x",)), "member x is required and absent"),
    (Detail("member", ("x",), of=LONG), "member x: longer than 8 bytes"),
    (Detail("item", of=LONG), "an item is longer than 8 bytes"),
    (Detail("infinite"), "infinite"),
    (Detail("beyond_64"), "beyond 64 bits"),
    (Detail("beyond_float"), "beyond the 32 bits of a FLOAT"),
    (Detail("inexact"), "an integer with more digits than a DOUBLE holds"),
    (Detail("not_integer"), "not an integer"),
    (Detail("misspelt", ("INT", ("comma", "suffix"), "kW")),
     "not an integer as it is written: it has a decimal comma, and 'kW' follows it"),
    (Detail("scaled_part", (0.5,)), "times 0.5 it is not an integer"),
    (Detail("unmapped", (("ON", "OFF"), 3)),
     "none of the texts that values= names: 'ON', 'OFF', …"),
    (Detail("no_label", (((0, "Stop"), (1, "Run")), 2)),
     "no label of the enumeration, which has 0 = 'Stop', 1 = 'Run'"),
    (Detail("a_label", (((0, "Stop"),), 1)),
     "a label of the enumeration (0 = 'Stop'), not a key"),
    (Detail("not_a", ("BOOL",)), "not a truth value (true, false, 0 or 1)"),
    (Detail("arrow_type", ("double", "ARRAY")), "a value of type double is not an array"),
    (Detail("class", ("bytes", "STRING")), "a bytes is not a text"),
    (Detail("naive"), "a naive time; a TIMESTAMP needs a zone"),
    (Detail("file"), "a FILE travels over the HTTP channel only"),
    (Detail("timestamp_too_fine"), "a TIMESTAMP holds whole milliseconds"),
    (Detail("date_too_fine"), "a DATE holds whole seconds"),
    (Detail("beyond_years"), "not within the years 1 to 9999"),
    (Detail("no_moment"), "the last of 64 bits, which stands for no time"),
    (Detail("unknown_zone", ("Mars",)),
     "the zone 'Mars' is not known here, so neither is its local time"),
    (Detail("surrogate"), "holds a lone surrogate, which UTF-8 cannot carry"),
    (Detail("twice", ("z",)), "has the member 'z' twice"),
    (Detail("no_json"), "JSON cannot carry it"),
    (Detail("wrong_items", ("DOUBLE",)), "its items are not all numbers"),
    (Detail("stranger", ("z",)), "has no member 'z'"),
    (Detail("absent_item"), "an item is absent"),
    (Detail("wrong_quality", (0, 9)), "its quality is not an integer from 0 to 9"),
    (Detail("lone_quality"), "a quality without a value"),
    (Detail("no_time"), "no time"),
    (Detail("not_a_time", (), ("inf",)), "inf is not a time"),
    (Detail("not_iso", (), ("'noon'",)), "'noon' is not an ISO 8601 time"),
    (Detail("far_time", (), ("9e99",)), "9e99 does not lie within the years 1 to 9999"),
    (Detail("stand_in", (), ("NaT",)), "NaT stands for no time"),
    (Detail("naive_time", (), ("2024",)), "2024 is a time without a zone; give tz=, or an offset"),
    (Detail("no_unit", (), ("7",)), "7 is a number without a unit; give time_unit="),
    (Detail("fold", ("Europe/Paris",), ("2014-10-26 02:00:00",)),
     "2014-10-26 02:00:00 occurs twice in Europe/Paris, where the clock is changed (put back); "
     "give ambiguous=, or times with an offset"),
    (Detail("fold_not_told", ("Europe/Paris",), ("2014-10-26 02:00:00",)),
     "2014-10-26 02:00:00 occurs twice in Europe/Paris, where the clock is changed (put back), "
     "and the order of the device's rows does not tell which of the two it is; give "
     "ambiguous='earliest' or 'latest', or times with an offset"),
    (Detail("gap", ("Europe/Paris",), ("2014-03-30 02:00:00",)),
     "2014-03-30 02:00:00 does not exist in Europe/Paris, where the clock is changed (put "
     "forward); give nonexistent=, another tz= if the clock was not put forward, or times with an "
     "offset"),
    (Detail("leap_second", (), ("'23:59:60'",)),
     "'23:59:60' is a leap second, which no time since the epoch holds; give it as :59"),
    (Detail("end_of_day", (), ("'24:00'",)),
     "'24:00' is the end of a day; give it as 00:00 of the next day"),
    (Detail("not_of_format", ("%H",), ("'noon'",)), "'noon' is not a time of the format '%H'"),
    (Detail("implausible", ("1980", "2030"), ("1970",)),
     "1970 does not lie between 1980 and 2030, where times are plausible (plausible=)"),
    (Detail("implausible", (None, "2030"), ("2031",)),
     "2031 does not lie before 2030, where times are plausible (plausible=)"),
    (Detail("implausible", ("1980", None), ("1970",)),
     "1970 does not lie from 1980 on, where times are plausible (plausible=)"),
    (Detail("no_device"), "no device key or no product key"),
    (Detail("not_a_key", ("device key",), ("1.5",)), "1.5 is not a device key, which is a text"),
    (Detail("no_model", ("p",)), "there is no thing model for product 'p'"),
    (Detail("no_point"), "no point is named"),
    (Detail("unknown_point", ("l",)), "'l' is not in the thing model"),
    (Detail("file_point", ("doc",)), "'doc' is a FILE, which travels over the HTTP channel only"),
    (Detail("check", ("is odd",)), "is odd"),
    (Detail("too_large", (480_000,)), "alone larger than a request may be (480000 bytes)"),
    (Detail("superseded", (), (7, "b.csv")),
     "superseded by row 7 of b.csv, which has the same device, time and point"),
    (Detail("set_aside"), "superseded by another reading in the run that these rejects are of"),
    (Detail("platform", (1204, "", False)),
     "model validation failed: invalid fields among the points"),
    (Detail("platform", (1206, "bad P", True), of=LONG),
     "format error in the data of a point (bad P); by the thing model given here: longer than 8 "
     "bytes"),
    (Detail("platform", (4711, "", True), of=LONG),
     "not documented; by the thing model given here: longer than 8 bytes"),
    (Detail("refused", (742, ""), of=Detail("check", ("no",))),
     "no; its sign-in was refused with 742: the signature is wrong"),
    (Detail("refused", (742, "go away"), of=Detail("check", ("no",))),
     "no; its sign-in was refused with 742: go away"),
    (Detail("no_reply", (5,)), "no reply after 5 attempts"),
    (Detail("unsent"), "the run ended before it was sent"),
    (Detail("unsent_again", (2,)),
     "the run ended before it was sent again; attempts that were refused: 2"),
    (Detail("copy", of=LONG), "longer than 8 bytes; a copy of another reading"),
    (Detail("expected_skip", of=LONG), "expected to be skipped by the platform: longer than 8 "
     "bytes"),
    (Detail("skipped_copy"),
     "expected to be skipped by the platform, as the reading it is a copy of"),
]  # fmt: skip
# Of many values, where that is said otherwise.
SAID_OF_MANY: dict[str, str | None] = {
    "superseded": "superseded by a row that has the same device, time and point",
    "not_a_time": "not a time, such as inf",
    "not_iso": "not an ISO 8601 time, such as 'noon'",
    "far_time": "not within the years 1 to 9999, such as 9e99",
    "stand_in": "stand for no time, such as NaT",
    "naive_time": "times without a zone, such as 2024; give tz=, or offsets",
    "no_unit": "numbers without a unit, such as 7; give time_unit=",
    "not_a_key": "not a device key, which is a text, such as 1.5",
    "fold": "occur twice in Europe/Paris, where the clock is changed (put back), such as "
    "2014-10-26 02:00:00; give ambiguous=, or times with an offset",
    "fold_not_told": "occur twice in Europe/Paris, where the clock is changed (put back), and the "
    "order of the rows does not tell which of the two is meant, such as 2014-10-26 02:00:00; give "
    "ambiguous='earliest' or 'latest', or times with an offset",
    "gap": "do not exist in Europe/Paris, where the clock is changed (put forward), such as "
    "2014-03-30 02:00:00; give nonexistent=, another tz= if the clock was not put forward, or "
    "times with an offset",
    "leap_second": "leap seconds, such as '23:59:60'; give them as :59",
    "end_of_day": "the end of a day, such as '24:00'; give it as 00:00 of the next day",
    "not_of_format": "not a time of the format '%H', such as 'noon'",
    "implausible": None,
}


PACKAGE = Path(mpreplay.__file__).parent


def constants_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the texts that stand in code."""
    found = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {value for value in found if isinstance(value, str)}


def modules() -> list[list[ast.AST]]:
    """Return the nodes of each module but the one with the words."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "reasons.py"]
    return [[*ast.walk(ast.parse(path.read_text(encoding="utf-8")))] for path in paths]


def is_detail(node: ast.AST) -> bool:
    """Return whether a node makes a detail."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Detail"


@pytest.mark.parametrize(("detail", "said"), SAID, ids=lambda one: getattr(one, "kind", ""))
def test_each_kind_of_reason_has_its_words(detail: Detail, said: str) -> None:
    """Also after it stood in a journal, where tuples are lists."""
    assert reason(detail) == reason(Detail.from_text(detail.as_text())) == said
    if detail.kind != "implausible":  # it has three forms, and a test of its own
        assert cause_reason(detail, 2) == SAID_OF_MANY.get(detail.kind, said)
    assert cause_reason(detail, 1) == said
    assert reason(Detail("copy", of=detail)) == f"{said}; a copy of another reading"


def test_a_time_outside_the_plausible_ones_tells_their_span() -> None:
    """The reader compares it with the span, or with the end that there is."""
    said = {
        ("1980", "2030"): "not between 1980 and 2030",
        (None, "2030"): "not before 2030",
        ("1980", None): "not from 1980 on",
    }
    for facts, words in said.items():
        told = cause_reason(Detail("implausible", facts, ("1970",)), 2)
        assert told == f"{words}, where times are plausible (plausible=), such as 1970"


def test_no_kind_of_reason_is_without_words() -> None:
    """A kind without words would end a report that was hours in the making."""
    assert {detail.kind for detail, _ in SAID} == set(_REASONS)
    assert set(SAID_OF_MANY) == set(_OF_MANY)
    nodes = [node for module in modules() for node in module]
    made = constants_in(node.args[0] for node in nodes if is_detail(node))
    assert len(made) > 30
    assert made <= set(_REASONS)


def test_no_words_are_left_of_a_kind_that_is_made_no_more() -> None:
    """They would be read, translated and kept for nothing."""
    told = [constants_in(module) for module in modules() if any(map(is_detail, module))]
    rules = {why.kind for why, _ in SAID if why.kind in RULE_WORDS}

    assert set(_REASONS) - set().union(*told) <= rules


POINTS = [
    Measurepoint("p", kind, minimum=0, maximum=9) for kind in ("INT", "FLOAT", "DOUBLE")
] + [
    Measurepoint("p", "ENUM", keys=(0, 1)),
    *(Measurepoint("p", "ARRAY", item_type=kind) for kind in ("INT", "STRING", "DOUBLE")),
    *(Measurepoint("p", kind) for kind in POINT_TYPES if kind not in {"ENUM", "ARRAY", "STRUCT"}),
]  # fmt: skip


@pytest.mark.parametrize("point", [
    *POINTS,
    Measurepoint("s", "STRUCT", members=tuple(
        Measurepoint(f"m{n}", "INT", minimum=0, required=n == 0) for n in range(2)
    )),
], ids=lambda point: point.type)  # fmt: skip
def test_each_rule_of_a_thing_model_has_words_as_a_reason(point: Measurepoint) -> None:
    """A rule keeps its reason in a form of its own."""
    for rule in rules_of(point):
        assert reason(Detail.of_rule(rule.why))


CODES = [None, 4711, *(entry.code for entry in RETURN_CODES)]
# Those of a thing model, of one of its structs, and of a user.
OTHER_CHECKS = (
    "range", "type", "enum", "length", "date", "items", "required", "quality", "point",
    "x: range", "item range", "mine",
)  # fmt: skip


def test_advice_that_was_followed_is_not_given_again() -> None:
    """A flag that was on in the run, and a sign-in that was refused, cannot be the remedy."""
    asked = {"check": "platform", "code": 1212, "outcome": "declined"}

    assert "allow_offline" in str(advice(advice_of(**asked)))
    for blame in BLAMES:
        assert "allow_offline" not in str(
            advice(advice_of(**asked, blame=blame, allows_offline=True))
        )
    told = str(advice(advice_of(**asked, blame="refused")))
    assert told.startswith("mend its sign-in, which was refused")


def test_each_advice_that_can_be_given_has_words() -> None:
    """Whatever becomes of a value, its row says what to do."""
    given = {
        advice_of(check, code, outcome, blame=blame, allows_offline=allowed)
        for check in (*CHECKS, *OTHER_CHECKS)
        for code in CODES
        for outcome in FATES
        for blame in BLAMES
        for allowed in (False, True)
    }

    assert all(str(advice(key)).strip() for key in given)
    assert set(_ADVICE) - given == {""}


@pytest.mark.parametrize("entry", RETURN_CODES, ids=lambda entry: str(entry.code))
def test_the_advice_of_a_code_has_words_for_one_and_for_many(entry: Any) -> None:
    """A row of the table names its advice by a key: a misspelt one fails only when it is said."""
    for blame in BLAMES:
        assert str(advice(advice_of("platform", entry.code, "declined", blame=blame)))
    assert (entry.advice == "") or entry.advice in _ADVICE
