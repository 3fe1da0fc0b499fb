"""Make a messy export of a plant's control system, its thing model, and the truth behind it.

``python data/make_messy_csv.py`` writes them into ``messy/`` beside this script: the nights of both
clock changes of 2024 at three turbines, as such systems export them. Semicolons, decimal commas,
cp1252, local times, units within cells, words for absent values, texts for states, 40 columns of
which 5 are wanted, blanks behind device names, rows that come twice or out of order. The truth is
written from what was measured, and not read back from the export. The same script makes the same
files.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent / "messy"
ZONE = ZoneInfo("Europe/Berlin")
STEP = dt.timedelta(minutes=10)
# Nights of the clock changes, in UTC: an hour is missing in the first, and comes twice in the last.
NIGHTS = (
    (dt.datetime(2024, 3, 30, 23, tzinfo=dt.UTC), 30),
    (dt.datetime(2024, 10, 26, 22, tzinfo=dt.UTC), 36),
)
TURBINES = ("WEA 01", "WEA 02", "WEA 03")
STATES = {1: "Betrieb", 2: "Stillstand", 3: "Störung"}
ABSENT = ("-", "Bad", "#N/A", "")
WANTED = ("Leistung [kW]", "Windgeschwindigkeit", "Generator", "Status", "Ertrag [MWh]")
POINTS = ("P_avg", "Ws_avg", "Gen_on", "State", "Energy")
COLUMNS = 40


class Measured(NamedTuple):
    """What a turbine measured at one time; None: nothing."""

    device: str
    time: dt.datetime
    power: float | None  # [kW]
    wind: float | None  # [m/s]
    generator: int | None
    state: int | None
    energy: int | None  # [kWh]


def measured(chance: random.Random) -> list[Measured]:
    """Return the readings, as they are in truth, in the order of their times."""
    energy = dict.fromkeys(TURBINES, 41_000_000)
    found = []
    for start, n_steps in NIGHTS:
        for step in range(n_steps):
            for device in TURBINES:
                wind = round(max(0.0, chance.gauss(7.5, 2.5)), 1)
                power = round(max(-12.5, 2_050 * min(1.0, (wind / 12) ** 3) - 8), 2)
                energy[device] += max(0, round(power / 6))
                state = 3 if chance.random() < 0.05 else 1 if power > 0 else 2
                cells: list[Any] = [power, wind, int(state == 1), state, energy[device]]
                kept = [None if chance.random() < 0.06 else cell for cell in cells]
                found.append(Measured(device, start + step * STEP, *kept))
    return found


def number(value: float, digits: int) -> str:
    """Return a number with a decimal comma."""
    return f"{value:.{digits}f}".replace(".", ",")


def row_of(one: Measured, others: list[str], chance: random.Random) -> list[str]:
    """Return a row of the export."""
    local = one.time.astimezone(ZONE).strftime("%d.%m.%Y %H:%M")
    absent = [chance.choice(ABSENT) for _ in WANTED]
    cells = [
        None if one.power is None else number(one.power, 2),
        None if one.wind is None else f"{number(one.wind, 1)} m/s",
        None if one.generator is None else ("OFF", "ON")[one.generator],
        None if one.state is None else STATES[one.state],
        None if one.energy is None else number(one.energy / 1_000, 3),
    ]
    wanted = [word if cell is None else cell for cell, word in zip(cells, absent, strict=True)]
    device = one.device + " " * chance.choice((0, 0, 0, 1, 3))
    return [local, device, *wanted[:2], *others[:20], *wanted[2:], *others[20:]]


def others_of(chance: random.Random) -> list[str]:
    """Return the cells of columns that nobody wants."""
    n = COLUMNS - 2 - len(WANTED)
    return [
        chance.choice((number(chance.gauss(50, 9), 1), "0", "-", "AUTO", "ü.b.")) for _ in range(n)
    ]


def rows_of(found: list[Measured], chance: random.Random) -> Iterator[list[str]]:
    """Yield the rows of the export: some come twice, and some late."""
    late = []
    for one in found:
        row = row_of(one, others_of(chance), chance)
        # In the hour that comes twice, nothing but the order of the rows tells the first from the
        # second: a system that exports it out of order has lost it.
        is_told = one.time.astimezone(ZONE).hour not in {1, 2, 3}
        if is_told and chance.random() < 0.03:
            late.append(row)
            continue
        yield row
        if chance.random() < 0.04:
            yield row
    yield from reversed(late)


def model() -> dict[str, Any]:
    """Return the thing model of a turbine."""
    states = {str(key): {"defaultValue": label} for key, label in STATES.items()}
    return {
        "modelId": "Turbine",
        "measurepoints": {
            "P_avg": {"dataType": "FLOAT", "minimum": -50, "maximum": 2_300},
            "Ws_avg": {"dataType": "FLOAT", "minimum": 0, "maximum": 60},
            "Gen_on": {"dataType": "INT", "minimum": 0, "maximum": 1},
            "State": {"dataType": "ENUM", "enumType": "INT", "enumDesc": states},
            "Energy": {"dataType": "DOUBLE", "minimum": 1_000_000},
        },
    }


def main() -> None:
    """Write export, thing model and truth."""
    chance = random.Random(20_241_027)
    found = measured(chance)
    HERE.mkdir(exist_ok=True)
    n_others = COLUMNS - 2 - len(WANTED)
    names = [f"Kanal {n:02d} (Größe)" for n in range(1, n_others + 1)]
    head = ["Zeit", "Anlage", *WANTED[:2], *names[:20], *WANTED[2:], *names[20:]]
    with (HERE / "scada_export.csv").open("w", encoding="cp1252", newline="") as file:
        rows = csv.writer(file, delimiter=";", lineterminator="\r\n")
        rows.writerows([head, *rows_of(found, chance)])
    text = json.dumps(model(), indent=1, ensure_ascii=False)
    (HERE / "turbine.model.json").write_text(text + "\n", "utf-8")
    with (HERE / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        truth = csv.writer(file, lineterminator="\n")
        truth.writerow(["device_key", "time", *POINTS])
        truth.writerows((one.device, one.time.isoformat(), *one[2:]) for one in found)
    n_values = sum(cell is not None for one in found for cell in one[2:])
    print(f"{len(found):,} readings, {n_values:,} values")


if __name__ == "__main__":
    main()
