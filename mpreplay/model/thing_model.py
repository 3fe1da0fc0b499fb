"""The thing model: the measurement points that a kind of device can report.

``ThingModel.load`` reads a file; everything else is pure.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import ConfigError
from ..errors.arguments import (
    CLEAN_TEXT,
    FLAG,
    OPTIONAL_TEXT,
    TEXTS_BY_TEXT,
    Kind,
    check_kinds,
    kind_of,
    shown_briefly,
    wrong,
)
from .json_shapes import dump_model, parse_model, parse_text
from .measurepoint import Measurepoint

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterable

    import pandas as pd
    import pandera.pandas as pandera

    from ..errors import Message

__all__ = ["ThingModel"]

_KINDS: Final = {
    "model_id": CLEAN_TEXT,
    "measurepoints": Kind(
        "a dict of identifier to Measurepoint", lambda value: isinstance(value, Mapping)
    ),
    "name": CLEAN_TEXT,
    "pass_through": FLAG,
    "draft": FLAG,
    "left_out": TEXTS_BY_TEXT,
}


@dataclass(frozen=True, slots=True, repr=False)
class ThingModel:
    """The measurement points that a kind of device can report.

    Parameters
    ----------
    model_id : str
        The platform's id of the model.
    measurepoints : mapping of str to Measurepoint
        Measurement points by identifier.
    name : str, optional
        Name for people.
    pass_through : bool, optional
        True if the platform lets identifiers through that the model does not list.
    draft : bool, optional
        True if the model was guessed from data.
    left_out : mapping of str to str, optional
        Of a draft: columns without a point, and why; no part of the model itself.

    Examples
    --------
    >>> model = ThingModel("Meter", {"p_kw": Measurepoint("p_kw", "DOUBLE", unit="kW")})
    >>> model
    ThingModel('Meter', 1 measurepoints: 1 DOUBLE)
    """

    model_id: str
    measurepoints: Mapping[str, Measurepoint]
    name: str = ""
    pass_through: bool = False
    draft: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    _hints: tuple[Message, ...] = ()

    def __post_init__(self) -> None:
        """Keep a copy: the caller's mapping may change."""
        check_kinds({name: (getattr(self, name), kind) for name, kind in _KINDS.items()})
        object.__setattr__(self, "measurepoints", dict(self.measurepoints))
        for identifier, point in self.measurepoints.items():
            if not isinstance(point, Measurepoint):
                raise wrong(
                    "measurepoints",
                    self.measurepoints,
                    f"a dict of identifier to Measurepoint; that of {identifier!r:.60} is "
                    f"{shown_briefly(point)}",
                )
            if point.identifier != identifier:
                raise ConfigError(
                    f"measurepoint {identifier!r} calls itself {point.identifier!r}; the key and "
                    "the identifier must be the same"
                )

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | Mapping[str, Any] | list[Any] | bytes,
        *,
        model_id: str | None = None,
    ) -> ThingModel:
        """Read a thing model in any of the three JSON shapes that EnOS provides.

        Parameters
        ----------
        source : path, str, bytes, dict or list
            A file, JSON text, or parsed JSON: the REST reply ("Get Thing Model" or "Search"), the
            console's export, a standard element or a list of standard elements.
        model_id : str, optional
            Model to take if the source holds several.

        Returns
        -------
        ThingModel

        Raises
        ------
        ConfigError
            If the file cannot be read or holds no thing model; the message says what was expected.

        References
        ----------
        .. [1] EnOS REST API 2.1, "Get Thing Model".
        .. [2] EnOS Device Connection 2.3, "Creating a Model" (export).

        Examples
        --------
        >>> ThingModel.load('{"data": {"modelId": "M", "measurepoints": {"t": '
        ...                 '{"dataType": "INT", "dataDefinition": null}}}}')
        ThingModel('M', 1 measurepoints: 1 INT)
        """
        check_kinds({"model_id": (model_id, OPTIONAL_TEXT)})
        document, origin = _read(source)
        model_id, name, points, passes, draft = parse_model(document, origin, model_id)
        return cls(model_id, points, name, passes, draft)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        ignore: Iterable[Hashable] = (),
        ranges: Literal["observed"] | None = None,
    ) -> ThingModel:
        """Draft a model from data, for a user without a model.

        Parameters
        ----------
        frame : DataFrame
            Readings, a column per measurement point.
        ignore : iterable of labels, optional
            Columns that are not readings: time, keys, remarks.
        ranges : {"observed"}, optional
            Give each number the range of its values in the frame, as a proposal; None: no ranges.

        Returns
        -------
        ThingModel
            With ``draft`` set, and the types of the columns; it accepts this very frame. Whole
            numbers beyond 32 bits are DOUBLE. Columns of times, of bytes, and without values are
            left out: ``left_out`` and the repr say which, and why. The platform's own model may
            differ, and takes precedence.

        Raises
        ------
        ConfigError
            If a column holds values that no draft can accept, such as values of several kinds, or
            if its name is no text or occurs twice.

        Examples
        --------
        >>> import pandas as pd
        >>> ThingModel.from_frame(pd.DataFrame({"Power": [1.5], "state": ["on"]}))
        ThingModel('draft', 2 measurepoints: 1 DOUBLE, 1 STRING, a draft from data)
        """
        from .drafting import draft_columns
        from .drafts import Drafts, check_ranges

        check_ranges(ranges)
        drafts = Drafts(ranges)
        for name, column in draft_columns(frame, ignore):
            drafts.see(name, column)
        return cls(
            "draft",
            drafts.result(),
            "drafted from data",
            draft=True,
            left_out=drafts.left_out(),
        )

    def schema(self) -> pandera.DataFrameSchema:
        """Return the model as a pandera schema, open to further checks.

        Returns
        -------
        DataFrameSchema
            A column per measurement point, optional in a history. ``validate`` and ``replay`` take
            an extended schema instead of the model.

        Notes
        -----
        Types are Arrow's: FLOAT is ``float``, INT ``int64``, STRUCT a struct, ARRAY a list. A
        check must return an answer per value.

        Examples
        --------
        >>> model = ThingModel("M", {"P": Measurepoint("P", "FLOAT", maximum=2500)})
        >>> sorted(model.schema().columns)
        ['P']
        """
        from .schemas import schema_of

        schema = schema_of(self.measurepoints.values(), self.model_id)
        schema.metadata = {"thing_model": self}
        return schema

    def to_json(self) -> str:
        """Return the model as JSON text, readable by :meth:`load`.

        Examples
        --------
        >>> model = ThingModel("M", {"P": Measurepoint("P", "FLOAT", maximum=2500)})
        >>> ThingModel.load(model.to_json()) == model
        True
        """
        parts = (self.model_id, self.name, dict(self.measurepoints), self.pass_through, self.draft)
        return json.dumps(dump_model(parts), ensure_ascii=False, indent=1)

    @property
    def digest(self) -> str:
        """A SHA-256 over the whole model, independent of the order of points."""
        document = json.loads(self.to_json())
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ThingModel):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for point in self.measurepoints.values():
            counts[point.type] = counts.get(point.type, 0) + 1
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
        return (
            f"ThingModel({self.model_id!r}, {len(self.measurepoints)} measurepoints: {kinds}"
            f"{', others pass through' if self.pass_through else ''}"
            f"{', a draft from data' if self.draft else ''}{self._left_out_in_words})"
            f"{''.join(f'{chr(10)}  {hint}' for hint in self.hints[:_SHOWN])}"
        )

    @property
    def hints(self) -> tuple[str, ...]:
        """Of a draft: sentences about columns of texts, and what to give to read them as values."""
        return tuple(map(str, self._hints))

    @property
    def _left_out_in_words(self) -> str:
        """Columns without a point, by reason; empty if there are none."""
        by_reason: dict[str, list[str]] = {}
        for name, why in self.left_out.items():
            by_reason.setdefault(why, []).append(name)
        told = [f"{_few(names)} ({why})" for why, names in by_reason.items()]
        return f"; left out: {', '.join(told)}" if told else ""

    def _repr_html_(self) -> str:
        """Return the model as a table for a notebook."""
        head = "<tr><th>measurepoint</th><th>type</th><th>range</th><th>unit</th><th>name</th></tr>"
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(cell)}</td>"
                for cell in (p.identifier, p.type, p.range_text, p.unit, p.name)
            )
            + "</tr>"
            for p in list(self.measurepoints.values())[:40]
        )
        return f"<p>{html.escape(repr(self))}</p><table>{head}{rows}</table>"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


_SHOWN: Final = 6


def _is_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _read(source: Any) -> tuple[Any, str]:
    """Return the JSON of a model and a name for error messages."""
    if isinstance(source, bytes):
        return parse_text(source, "thing model"), "thing model"
    if isinstance(source, Mapping | list):
        return source, "thing model"
    if isinstance(source, str) and (_is_json(source) or "\n" in source):
        return parse_text(source, "thing model"), "thing model"
    try:
        path = Path(source)
        return parse_text(path.read_bytes(), str(path)), str(path)
    except TypeError as error:
        raise ConfigError(
            f"a thing model comes as a path, JSON text, dict or list, not {kind_of(source)}",
            argument="source",
            value=source,
        ) from error
    except ConfigError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise ConfigError(
            f"cannot read the thing model {str(source)!r}: "
            f"{getattr(error, 'strerror', None) or error}; "
            "expected a JSON file exported from the console or fetched over REST"
        ) from error
