"""Agreement of the tables of an audit with its chain and its manifest.

Pure: tables in, words out. Agreement of the tables with each other is ``outcome/agreement.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..frames import FATES
from ..outcome.agreement import plain_values

if TYPE_CHECKING:
    from ..outcome.agreement import Disagreement
    from .chain import Line

__all__ = ["check_chain", "check_complete", "check_counts"]

# The fields of a line of the chain that are also columns of the results.
_SHARED: Final = ("request_id", "parent_id", "code", "outcome", "attempts", "n_values", "sent_at")


def check_chain(
    requests: Iterable[tuple[int, Line]], results: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """Yield the lines of the chain that contradict the results."""
    columns = [plain_values(results[name]) for name in _SHARED]
    for number, line in requests:
        if number > len(results):
            where = f"request {line.content['request_id']} (line {line.at}) is not in the results"
            yield f"line {line.at}", where
            continue
        said = {name: line.content[name] for name in _SHARED}
        if said["outcome"] == "open":  # not settled yet, which the results call in doubt
            said["outcome"] = "in_doubt"
        shown = {name: column[number - 1] for name, column in zip(_SHARED, columns, strict=True)}
        differs = [
            f"{name} is {said[name]!r} here and {shown[name]!r} in the results"
            for name in _SHARED
            if said[name] != shown[name]
        ]
        if differs:
            yield f"line {line.at}", f"request {said['request_id']}: {'; '.join(differs)}"


def check_complete(run: Any, results: pd.DataFrame) -> Iterator[Disagreement]:
    """Yield the contradictions between the manifest and the results about the end of the run."""
    facts = run if isinstance(run, dict) else {}
    n_open = int(results["outcome"].isin(["in_doubt", "not_sent"]).sum())
    if facts.get("complete") is not (facts.get("read_all") is True and not n_open):
        yield (
            "run, complete",
            (
                f"it says {facts.get('complete')!r}, with read_all {facts.get('read_all')!r} and "
                f"{n_open:,} requests without a final answer in the results"
            ),
        )


def check_counts(
    counts: dict[str, Any], books: pd.DataFrame, results: pd.DataFrame
) -> Iterator[Disagreement]:
    """Yield the counts of the manifest that differ from the tables."""
    wanted = {name: int(books[name].sum()) for name in ("read", *FATES)}
    wanted["requests"] = len(results)
    outcomes = results["outcome"].value_counts().to_dict()
    codes = results["code"].value_counts().to_dict()
    wanted |= {f"requests_{name}": int(n) for name, n in outcomes.items()}
    wanted |= {f"code_{code}": int(n) for code, n in codes.items()}
    for name, n in wanted.items():
        if counts.get(name) != n:
            said = counts.get(name)
            shown = f"{said:,}" if type(said) is int else repr(said)
            yield f"counts, {name}", f"it says {shown}, and the tables hold {n:,}"
