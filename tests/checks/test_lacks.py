"""A violation of a whole column speaks of the column, and says what to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import mpreplay as mp
from mpreplay import Measurepoint
from mpreplay.cli.commands import main

MODEL = mp.ThingModel(
    "M",
    {
        point.identifier: point
        for point in (
            Measurepoint("P", "DOUBLE"),
            Measurepoint("Run", "BOOL"),
            Measurepoint("kW", "FLOAT", minimum=-50, maximum=2500),
            Measurepoint("State", "ENUM", keys=(0, 1), labels=("Stop", "Running")),
            Measurepoint("st", "STRUCT", members=(Measurepoint("x", "INT"),)),
        )
    },
)


def hints(cells: dict[str, list[Any]], **given: Any) -> list[str]:
    """Return what a validation says of whole columns."""
    n = len(next(iter(cells.values())))
    frame = pd.DataFrame(cells, index=pd.date_range("2024", periods=n, freq="h", tz="UTC"))
    return list(mp.validate(mp.read_history(frame, **given), MODEL).hints)


COMMA = [f"{n},5" for n in range(291)] + ["-"] * 5 + ["Bad"] * 4


@pytest.mark.parametrize("kind", ["object", "string[pyarrow]", "category"])
def test_a_column_is_told_as_a_whole(kind: str) -> None:
    """300 violations one by one hide that there are two reasons, and two remedies."""
    (told,) = hints({"P": pd.Series(COMMA).astype(kind).to_list()})

    assert told == (
        "P: 291 of 300 cells are numbers with a decimal comma: text=TextFormat(decimal=','); "
        "9 are '-' or 'Bad': text=TextFormat(absent=('-', 'Bad'))"
    )


def test_what_is_proposed_reads_the_column() -> None:
    """A proposal is no guess: it was tried here."""
    text = mp.TextFormat(decimal=",", absent=("-", "Bad"))

    assert hints({"P": COMMA}, text=text) == []


def test_it_is_counted_over_the_whole_history() -> None:
    """The first slab of a large file is not the file."""
    n = 40_000
    frame = pd.DataFrame(
        {"P": ["1,5"] * (n - 1) + ["?"]},
        index=pd.date_range("2024", periods=n, freq="s", tz="UTC"),
    )
    validation = mp.validate(mp.read_history(frame), MODEL)

    assert "39,999 of 40,000 cells are numbers with a decimal comma" in validation.hints[0]
    assert validation.hints[0] in repr(validation)


@pytest.mark.parametrize(
    ("cells", "given", "told"),
    [
        ({"P": ["1.5", "2"]}, {}, "P: 2 of 2 cells are numbers in texts: text=TextFormat()"),
        (
            {"P": ["1,234", "2,500"]}, {},
            "P: 2 of 2 cells are numbers with a comma before three digits; it is a decimal one, or "
            "one of thousands, which are not read",
        ),
        (
            {"P": ["1,234", "2,5"]}, {},
            "P: 2 of 2 cells are numbers with a decimal comma: text=TextFormat(decimal=',')",
        ),
        (
            {"P": ["1,5 kW ", "2,5 kW "]}, {},
            "P: 2 of 2 cells are numbers with a decimal comma, followed by 'kW' and with blanks "
            "around: text=TextFormat(decimal=',', strip=True), points={'P': Column('P', "
            "suffix='kW')}",
        ),
        (
            {"Leistung": ["7 kW", "8"]},
            {"points": {"Leistung": "P"}, "text": mp.TextFormat()},
            "P (column 'Leistung'): 1 of 2 cells is a number followed by 'kW': "
            "points={'Leistung': Column('P', suffix='kW')}",
        ),
        (
            {"P": ["1.5", "2,5"]}, {"text": mp.TextFormat(decimal=",")},
            "P: 1 of 2 cells is a number with a decimal point: decimal='.'",
        ),
        (
            {"P": ["1", "#N/A"]}, {"text": mp.TextFormat(absent=("-",))},
            "P: 1 of 2 cells is '#N/A': text=TextFormat(absent=('-', '#N/A'))",
        ),
        (
            {"Run": ["ON", "OFF", "ON"]}, {},
            "Run: 3 of 3 cells are 'ON' or 'OFF': "
            "points={'Run': Column('Run', values={'ON': '?', 'OFF': '?'})}",
        ),
        (
            {"Run": ["ON", "OFF", "On"]},
            {"points": {"Run": mp.Column("Run", values={"ON": 1, "OFF": 0})}},
            "Run: 1 of 3 cells is 'On': "
            "points={'Run': Column('Run', values={'ON': 1, 'OFF': 0, 'On': '?'})}",
        ),
        (
            {"State": ["Stop", "1", "0"]}, {"text": mp.TextFormat()},
            "State: 1 of 3 cells is a label of the enumeration: "
            "points={'State': Column('State', labels=True)}",
        ),
        (
            {"State": ["Stop", "Off"]}, {"points": {"State": mp.Column("State", labels=True)}},
            "State: 1 of 2 cells is 'Off'",
        ),
        (
            {"P": ["723.01 ", "205.52\u00a0", "98"]}, {"text": mp.TextFormat()},
            "P: 2 of 3 cells are numbers with blanks around: text=TextFormat(strip=True)",
        ),
        (
            {"P": ["723.01 kW ", "1 kW"]},
            {"text": mp.TextFormat(), "points": {"P": mp.Column("P", suffix="kW")}},
            "P: 1 of 2 cells is a number with blanks around: text=TextFormat(strip=True)",
        ),
        (
            {"P": ["5 kW", "Bad", "n/a", "err"]}, {"points": {"P": mp.Column("P", suffix="kW")}},
            "P: 3 of 4 cells are 'Bad', 'n/a' or 'err': text=TextFormat(absent=('Bad', 'n/a'))",
        ),
        (
            {"Run": ["ON", "OFF", "ON"]}, {"points": {"Run": mp.Column("Run", decimal=",")}},
            "Run: 3 of 3 cells are 'ON' or 'OFF'",
        ),
        (
            {"State": ["Stop", "Stop", "0"]},
            {"points": {"State": mp.Column("State", decimal=",")}},
            "State: 2 of 3 cells are labels of the enumeration",
        ),
        (
            {"P": [f"word {chr(97 + n)}" for n in range(20)]}, {},
            "P: 20 of 20 cells are other texts, such as 'word a', 'word b', 'word c'",
        ),
        (
            {"st.x": ["1,5", "2"]}, {"text": mp.TextFormat()},
            "st.x: 1 of 2 cells is a number with a decimal comma: text=TextFormat(decimal=',')",
        ),
    ],
)  # fmt: skip
def test_each_kind_of_texts_has_its_remedy(
    cells: dict[str, list[Any]], given: dict[str, Any], told: str
) -> None:
    """A proposal names the argument to add, as it is written."""
    assert hints(cells, **given) == [told]


def test_a_replay_that_stops_says_the_same() -> None:
    """Who replays without validating first must not learn less."""
    frame = pd.DataFrame({"P": COMMA}, index=pd.date_range("2024", periods=300, tz="UTC"))
    connection = mp.Connection("127.0.0.1", 9, "gw", "gw-1", "secret")

    with pytest.raises(
        mp.InvalidHistory, match=r"291 of 300 cells .* text=TextFormat\(absent=\('-', 'Bad'\)\)"
    ):
        mp.replay(mp.read_history(frame), MODEL, connection, progress=False)


def test_keys_with_blanks_are_pointed_at_and_stripped() -> None:
    """A platform knows no device 'T1 ', and 'T1 ' is no 'T1'."""
    frame = pd.DataFrame(
        {"d": ["T1", "T1 ", "T2 "], "P": [1.0, 2.0, 3.0]},
        index=pd.date_range("2024", periods=3, tz="UTC"),
    )
    given = {"device_column": "d", "product_key": "p"}
    validation = mp.validate(mp.read_history(frame, **given), MODEL)

    assert validation.hints == (
        "2 device keys have blanks around them, such as 'T1 ' (beside 'T1'): "
        "text=TextFormat(strip=True)",
    )
    text = mp.TextFormat(strip=True)
    assert mp.validate(mp.read_history(frame, **given, text=text), MODEL).hints == ()


def test_numbers_have_no_hints() -> None:
    """What is right is not talked about."""
    assert hints({"P": [1.5, 2.5], "Run": [True, None]}) == []


def test_very_many_words_are_counted_and_not_kept() -> None:
    """A column of remarks in the place of numbers must not fill the memory."""
    words = pa.array([f"remark {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(600)])
    (told,) = hints({"P": words.to_pylist()})

    assert told.startswith("P: 600 of 600 cells are other texts, such as")


def test_the_long_form_has_remedies_of_its_own() -> None:
    """points= belongs to the wide form, so that nothing is proposed that is refused."""
    frame = pd.DataFrame(
        {"p": ["P", "P", "Run"], "v": ["1,5", "7 kW", "ON"]},
        index=pd.date_range("2024", periods=3, tz="UTC"),
    )
    history = mp.read_history(frame, point_column="p", value_column="v")

    assert mp.validate(history, MODEL).hints == (
        "P: 1 of 2 cells is a number with a decimal comma: text=TextFormat(decimal=','); "
        "1 is a number followed by 'kW'",
        "Run: 1 of 1 cell is 'ON'",  # which may be a value
    )


def test_the_command_line_proposes_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is proposed can be typed."""
    frame = pd.DataFrame({"t": pd.date_range("2024", periods=300, tz="UTC"), "P": COMMA})
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "model.json").write_text(MODEL.to_json())

    command = ["validate", str(tmp_path / "a.parquet"), "--model", str(tmp_path / "model.json")]
    assert main([*command, "--time", "t"]) == 1
    assert "300 cells are numbers with a decimal comma: --" in capsys.readouterr().out


def test_a_column_in_another_unit_is_told_as_one() -> None:
    """Watts in the place of kilowatts are no hundred sensor faults."""
    assert hints({"kW": [300_000.0, 1_200_000.0, 0.0]}) == [
        "kW: 2 of 3 cells are outside the range, and times 0.001 lie within it: "
        "points={'kW': Column('kW', scale=0.001)}"
    ]
    assert hints({"kW": [300_000.0, 1_200.0, 0.0]}) == []
    assert hints({"kW": [3e5, 4e15]}) == []


def test_words_that_several_columns_have_mean_that_there_is_no_value() -> None:
    """'Bad' beside ON and OFF is no third state if the columns of numbers have it, too."""
    run = mp.Column("Run", values={"ON": 1, "OFF": 0})
    found = hints(
        {"P": [1, "Bad", 2], "Run": ["ON", "OFF", "Bad"]},
        points={"Run": run},
        text=mp.TextFormat(absent=("-",)),
    )

    assert [one.partition(": ")[2] for one in found] == [
        "1 of 3 cells is 'Bad': text=TextFormat(absent=('-', 'Bad'))"
    ] * 2


def test_words_for_absent_are_proposed_together() -> None:
    """One argument for all columns is written once."""
    found = hints(
        {"P": [1, 2, 3, "-", "Bad"], "kW": [1, "-", 2, 3, 4], "st.x": ["Bad", 1, 2, 3, 4]}
    )

    assert [one.partition("absent=")[2] for one in found] == [
        "('-', 'Bad'))", "('-', 'Bad'))", "('Bad', '-'))",
    ]  # fmt: skip


def test_a_proposal_keeps_what_was_said_of_the_column() -> None:
    """It is written in the place of the old one."""
    (told,) = hints({"kW": ["1 W", "2 W"]}, points={"kW": mp.Column("kW", scale=0.001)})

    assert told.endswith("points={'kW': Column('kW', scale=0.001, suffix='W')}")


def test_rejects_are_mended_where_they_stand(tmp_path: Path) -> None:
    """An argument that a file of rejects does not take leads in a circle."""
    frame = pd.DataFrame(
        {"P": [float("inf")] * 4}, index=pd.date_range("2024", periods=4, tz="UTC")
    )
    violations = mp.validate(mp.read_history(frame), MODEL).violations
    rejects = violations.assign(
        value=["1204,5", "7 kW", "1_000", "-"],
        outcome="withheld",
        code=pd.NA,
        request_id="",
        mend="",
    )
    path = tmp_path / "rejects.csv"
    rejects.to_csv(path, index=False)
    validation = mp.validate(mp.read_history(path), MODEL)

    assert validation.hints == (
        "P: 2 of 4 cells are '1_000' or '-'; 1 is a number with a decimal comma: write 1204.5 "
        "instead of '1204,5'; 1 is a number followed by 'kW': write 7 instead of '7 kW'",
    )
    assert "every" not in repr(validation)  # the rows between are not gaps
    assert "gap" not in repr(validation)
    with pytest.raises(mp.HistoryError, match=r"these are rejects.* write a number as 1234\.5"):
        mp.read_history(path, text=mp.TextFormat(decimal=","))


@pytest.mark.parametrize(
    ("cells", "absent"),
    [
        (["1_000", "inf", "1.2.3", "[1,", '{"x"', *"123456"], ""),
        (["Störung", *"123456"], ""),  # may be a slip of the pen
        (["Störung"] * 3 + [*"123456"], "text=TextFormat(absent=('Störung',))"),
        (["n/a", "1_000", "typo", *"123456"], "text=TextFormat(absent=('n/a',))"),
        (["#NV", "NULL", "---", *"123456"], "text=TextFormat(absent=('#NV', 'NULL', '---'))"),
    ],
)
def test_only_words_for_absent_are_proposed_as_absent(cells: list[str], absent: str) -> None:
    """A proposal that declares faulty data absent loses them without a word."""
    (told,) = hints({"P": cells}, text=mp.TextFormat())

    assert told.partition("absent=")[1:] == absent.partition("absent=")[1:], told


def test_usual_words_for_absent_are_no_states() -> None:
    """Beside AN and AUS, '-' and 'n/a' are no third and fourth state."""
    (told,) = hints({"Run": ["AN", "AUS", "-", "n/a", "AN"]})

    assert told.endswith(
        "points={'Run': Column('Run', values={'AN': '?', 'AUS': '?'})}, "
        "text=TextFormat(absent=('-', 'n/a'))"
    )


def test_labels_of_the_model_are_known_in_any_source() -> None:
    """Whoever has labels in a frame need not write down what the model says already."""
    (told,) = hints({"State": ["Stop", "Running", "Stop"]})

    assert told.endswith(
        "labels of the enumeration: points={'State': Column('State', labels=True)}"
    )
    assert hints({"State": ["Stop"]}, points={"State": mp.Column("State", labels=True)}) == []


def test_qualities_of_another_system_are_told_once() -> None:
    """192, 64 and 0 are good, uncertain and bad in OPC: the readings themselves are fine."""
    model = mp.ThingModel("M", {"P": Measurepoint("P", "DOUBLE", has_quality=True)})
    frame = pd.DataFrame(
        {"P": [1.0, 2.0, None], "q": [192, 64, 0]},
        index=pd.date_range("2024", periods=3, tz="UTC"),
    )
    validation = mp.validate(mp.read_history(frame, quality={"P": "q"}), model)

    assert validation.hints == (
        "P: 2 of 3 values have a quality (column 'q') that is no integer from 0 to 9: translate "
        "it, as 192 of OPC into 0, or leave it out; 1 quality stands without a value: remove them, "
        "or leave the quality out",
    )
