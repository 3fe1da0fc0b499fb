"""What hypothesis makes up: thing models, values that fit and values that do not, histories."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from hypothesis import strategies as st
from oracle import Row

from mpreplay import Limits, Measurepoint, ThingModel, read_history
from mpreplay.history.history import History
from mpreplay.model.point_types import ARRAY_ITEM_TYPES, POINT_TYPES
from mpreplay.order import Order
from mpreplay.requests.chunk import Prepared
from mpreplay.requests.succession import Succession
from mpreplay.settings import Policy
from mpreplay.sources.source import FrameSource

PRODUCTS = ("p1", 'p"2', "größe")
OWN = ("p1", "d0")
DEVICES = ("d0", "d1", "gerät 2\\")
START = 1_388_534_400_000  # 2014-01-01 [ms]
COLUMNS = {"(time)", "(device)", "(product)"}
NAMES = (
    "P",
    "Ba_avg",
    "S.x",
    'q"uote',
    "back\\slash",
    "gr öße",
    "7%",
    "風😀",
    ".dot",
    "a.b.c",
    "\x01",
)
# The types that a thing model may name and MQTT carries.
TYPES = [name for name, facts in POINT_TYPES.items() if facts.travels and name != "ANY"]
MEMBER_TYPES = [name for name in TYPES if POINT_TYPES[name].may_be_member]
FLOAT32_MAX = 3.4028234663852886e38

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
identifiers = st.sampled_from(NAMES) | texts.filter(lambda t: t and t not in COLUMNS)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# A TIMESTAMP holds whole milliseconds.
datetimes = st.integers(-(10**11), 4 * 10**12).map(lambda n: EPOCH + dt.timedelta(milliseconds=n))
times = st.integers(0, 6).map(lambda n: START + n) | st.integers(-(10**11), 4 * 10**12)


def _bounds(least: float, most: float, whole: bool) -> st.SearchStrategy[dict[str, Any]]:
    number: Any = st.integers(int(least), int(most)) if whole else st.floats(least, most, width=32)
    pairs = st.tuples(number, number).map(lambda pair: sorted(n + 0 for n in pair))  # -0.0 is 0.0
    return st.just({}) | st.builds(
        lambda pair, low, high: {
            "minimum": pair[0], "maximum": pair[1],
            "exclusive_minimum": low, "exclusive_maximum": high,
        },
        pairs, st.booleans(), st.booleans(),
    )  # fmt: skip


_RANGES = {
    "INT": _bounds(-1000, 1000, True),
    "FLOAT": _bounds(-1000.0, 1000.0, False),
    "DOUBLE": _bounds(-1000.0, 1000.0, False),
}
_KEYS = st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True) | st.lists(
    texts, min_size=1, max_size=4, unique=True
)


@st.composite
def measurepoints(
    draw: Any, identifier: str, *, is_member: bool = False, kind: str | None = None
) -> Measurepoint:
    """Draw a measurement point of a type, or of any; as a member, one that a struct may have."""
    kind = kind or draw(st.sampled_from(MEMBER_TYPES if is_member else TYPES))
    facts: dict[str, Any] = draw(_RANGES.get(kind, st.just({})))
    if kind == "ENUM":
        facts = {"keys": tuple(draw(_KEYS))}
    elif kind == "STRING":
        facts = {"max_length": draw(st.none() | st.integers(1, 12))}
    elif kind == "ARRAY":
        facts = {"item_type": draw(st.sampled_from(ARRAY_ITEM_TYPES))}
    elif kind == "STRUCT":
        names = draw(st.lists(identifiers, min_size=1, max_size=3, unique=True))
        facts = {"members": tuple(draw(measurepoints(name, is_member=True)) for name in names)}
    if is_member:
        facts["required"] = draw(st.booleans())
    return Measurepoint(identifier, kind, **facts)


@st.composite
def thing_models(draw: Any, *, most: int = 5) -> ThingModel:
    """Draw a thing model with points of any types and names."""
    names = draw(st.lists(identifiers, min_size=1, max_size=most, unique=True))
    return ThingModel("M", {name: draw(measurepoints(name)) for name in names})


def values(point: Measurepoint) -> st.SearchStrategy[Any]:
    """Return values that have the type of a point; mostly, its range too."""
    low, high = point.minimum, point.maximum
    match point.type:
        case "INT":
            return st.integers(-(2**31), 2**31 - 1) if low is None else st.integers(low, high)
        case "FLOAT":
            least, most = (-FLOAT32_MAX, FLOAT32_MAX) if low is None else (low, high)
            return st.floats(least, most, width=32)
        case "DOUBLE":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "BOOL":
            return st.booleans()
        case "ENUM":
            return st.sampled_from(point.keys)
        case "STRING":
            return texts.filter(lambda t: len(t.encode()) <= point.max_bytes)
        case "DATE":
            return datetimes.map(lambda t: t.strftime("%Y-%m-%d %H:%M:%S"))
        case "TIMESTAMP":
            return datetimes
        case "STRUCT":
            parts = {
                m.identifier: values(m) if m.required else values(m) | st.none()
                for m in point.members
            }
            return st.fixed_dictionaries(parts)
        case "ARRAY":
            item = Measurepoint(point.identifier, str(point.item_type))
            return st.lists(values(item), max_size=4)
        case _:
            raise NotImplementedError(f"tests/strategies.py: values() knows no {point.type}")


WRONG: dict[str, list[Any]] = {
    "INT": [2**31, -(2**31) - 1, 2**63, 1.5, float("inf"), "7", True, [1]],
    "FLOAT": [1e39, float("-inf"), "x", True, 10**400],
    "DOUBLE": [float("inf"), "1.5", False],
    "BOOL": [2, 0.5, "true", float("inf")],
    "ENUM": [99, "no such key", 0.5],
    "STRING": ["x" * 2000, "é" * 600, "lone \ud800", 7, True],
    "DATE": ["2024-02-30 00:00:00", "2024-1-5 00:00:00", "yesterday", "2024-01-01 24:00:00", 7],
    "TIMESTAMP": [
        "yesterday",
        True,
        dt.datetime(2024, 1, 1),  # noqa: DTZ001
        dt.datetime(2024, 1, 1, microsecond=1, tzinfo=dt.UTC),
    ],
    "STRUCT": [7, "x", {"stranger": 1}],
    "ARRAY": [7, "x", [None], [{}], [[1]], ["x" * 2000], [float("inf")]],
}


def cells(point: Measurepoint) -> st.SearchStrategy[Any]:
    """Return what may stand in a column: fitting values, wrong ones, none."""
    wrong = st.sampled_from(WRONG[point.type])
    fitting = values(point)
    near = st.integers(-1100, 1100) if point.minimum is not None else fitting
    return st.one_of(fitting, fitting, near, wrong, st.none(), st.just(float("nan")))


@dataclass(frozen=True)
class Case:
    """A model, the rows of a history, and the frame that holds them."""

    model: ThingModel
    rows: list[Row]
    frame: pd.DataFrame

    @property
    def history(self) -> History:
        """The frame, read."""
        return read(self.frame)


def frame_of(rows: list[Row], names: list[str], *, inferred: bool = False) -> pd.DataFrame:
    """Return rows as a frame of objects, or of whatever types pandas infers."""
    kind = None if inferred else object
    columns = {
        "(time)": pd.Series([row.time for row in rows], dtype=object),
        "(device)": pd.Series([row.device for row in rows], dtype=object),
        "(product)": pd.Series([row.product for row in rows], dtype=object),
    }
    for name in names:
        columns[name] = pd.Series([row.values.get(name) for row in rows], dtype=kind)
    return pd.DataFrame(columns)


def read(frame: pd.DataFrame, **options: Any) -> History:
    """Return a frame of ``frame_of`` as a history."""
    named = {"time_column": "(time)", "device_column": "(device)", "product_column": "(product)"}
    # Times are small numbers, so that they are read at a glance: of 1970.
    return read_history(frame, **{**named, "time_unit": "ms", "plausible": None, **options})


@st.composite
def cases(
    draw: Any,
    *,
    valid: bool = False,
    repeats: bool = True,
    unreadable: bool = False,
    most_rows: int = 12,
    most_points: int = 4,
) -> Case:
    """Draw a model and a history of it, sparse or dense.

    Parameters
    ----------
    valid : bool
        Only values that the model allows, by and large.
    repeats : bool
        Whether a device may have a time twice.
    unreadable : bool
        Whether rows may lack their time or their device.
    """
    model = draw(thing_models(most=most_points))
    who = st.tuples(st.sampled_from(PRODUCTS), st.sampled_from(DEVICES), times)
    keys = draw(st.lists(who, max_size=most_rows, unique=not repeats))
    is_dense = draw(st.booleans())
    rows = []
    for product, device, time in keys:
        lost = draw(st.sampled_from([0, 0, 0, 1, 2, 3])) if unreadable else 0
        there = {
            name: draw(values(point) if valid else cells(point))
            for name, point in model.measurepoints.items()
            if is_dense or draw(st.booleans())
        }
        rows.append(
            Row(
                None if lost == 3 else product,
                None if lost == 2 else device,
                None if lost == 1 else time,
                there,
            )
        )
    inferred = valid and draw(st.booleans())
    return Case(model, rows, frame_of(rows, list(model.measurepoints), inferred=inferred))


def in_sources(frame: pd.DataFrame, cuts: list[int], **options: Any) -> History:
    """Return a frame as a history of several sources, cut before these rows."""
    history = read(frame, **options)
    ends = sorted({min(c, len(frame)) for c in cuts} | {len(frame)})
    starts = [0, *ends[:-1]]
    parts = [frame.iloc[a:b].reset_index(drop=True) for a, b in zip(starts, ends, strict=True)]
    sources = [FrameSource(part, False, f"source {n}") for n, part in enumerate(parts)]
    return replace(history, sources=tuple(sources))


def order_of(
    history: History,
    model: Any,
    policy: Policy,
    limits: Limits | None = None,
    *,
    own: tuple[str, str] = OWN,
) -> Order:
    """Return the order of a replay."""
    return Order.of("replay", history, model, own, policy, limits)


def prepare(
    history: History,
    model: Any,
    policy: Policy | None = None,
    limits: Limits | None = None,
    *,
    own: tuple[str, str] = OWN,
) -> list[Prepared]:
    """Return a history as a replay would make it ready, duplicates settled."""
    policy = policy or Policy(on_invalid="withhold", duplicates="last")
    order = order_of(history, model, policy, limits, own=own)
    preparer = order.preparer(order.duplicates())
    return list(Succession(preparer, order.window).prepared(history.slabs(order.models.all())))
