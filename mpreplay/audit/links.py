"""The differences of a hash chain from its original: lines altered, dropped, added or moved.

Pure: lines in, words out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from .chain import Line

__all__ = ["Chain"]

_SHOWN: Final = 100  # lines dropped in a row that are named


class Chain:
    """The lines of a chain, each in its original place.

    Parameters
    ----------
    lines : list of Line
        Lines in the order of the file.
    n_requests : int, optional
        Number of requests according to other files; the seal takes precedence.
    names : sequence of str
        Ids of the requests in order, as far as other files tell.
    """

    def __init__(
        self, lines: list[Line], n_requests: int | None = None, names: Sequence[str] = ()
    ) -> None:
        self._lines = lines
        self._names = names
        seals = [line for line in lines if line.is_seal and not line.fault]
        self.seal = seals[-1] if seals else None
        numbers = [line.number or 0 for line in lines if not line.is_seal]
        n = n_requests if n_requests is not None else max(numbers, default=0)
        self._last = (self.seal.number if self.seal else None) or n + 1  # the number of the seal
        self._home: dict[int, Line] = {}  # undamaged lines by number
        self._extra: list[Line] = []
        for line in lines:
            if line.fault:
                continue
            number = line.number
            if number is None or number in self._home or not self._belongs(line, number):
                self._extra.append(line)
            else:
                self._home[number] = line
        self._damaged = self._places_of_damaged()

    @property
    def n_requests(self) -> int | None:
        """Number of requests that the seal names; None without a seal."""
        return None if self.seal is None or self.seal.number is None else self.seal.number - 1

    @property
    def requests(self) -> Iterator[tuple[int, Line]]:
        """The undamaged requests with their numbers, in order."""
        return ((n, line) for n, line in sorted(self._home.items()) if not line.is_seal)

    def begins_with(self, facts: str) -> bool | None:
        """Return True if the first line follows from these facts, None if that line is missing."""
        first = self._home.get(1)
        return None if first is None else first.content["prev"] == facts

    def findings(self) -> Iterator[tuple[str, str]]:
        """Yield the place and the description of each alteration."""
        for line in self._extra:
            yield f"line {line.at}", f"{self._name_of(line)} was added{self._twin(line)}"
        for line, number in self._damaged:
            yield f"line {line.at}", f"{self._name(number, line)} was altered: {line.fault}"
        yield from self._dropped()
        yield from self._moved()
        yield from self._broken()

    def _belongs(self, line: Line, number: int) -> bool:
        return line is self.seal if line.is_seal else 0 < number < self._last

    def _places_of_damaged(self) -> list[tuple[Line, int | None]]:
        """Return each damaged line with its original number, or None if no number is free."""
        found: list[tuple[Line, int | None]] = []
        taken = set(self._home)
        before = 0
        for line in self._lines:
            place: int | None = line.number
            if line.fault:
                candidates = (line.number or 0, before + 1)
                free = (n for n in candidates if 0 < n <= self._last and n not in taken)
                place = next(free, None)
                taken.add(place or 0)
                found.append((line, place))
            before = place or before + 1
        return found

    def _dropped(self) -> Iterator[tuple[str, str]]:
        placed = {number for _, number in self._damaged if number is not None}
        there = sorted({0, self._last + 1} | placed | self._home.keys())
        for before, after in pairwise(there):
            for number in range(before + 1, min(after, before + 1 + _SHOWN)):
                name = self._name(number)
                yield f"line {number}", f"{name} was dropped"
            if (more := after - before - 1 - _SHOWN) > 0:
                yield f"line {before + 1 + _SHOWN}", f"{more:,} lines more were dropped"

    def _moved(self) -> Iterator[tuple[str, str]]:
        """Yield the smallest set of lines whose moves explain the order of the file."""
        present = [line for line in self._lines if self._home.get(line.number or 0) is line]
        numbers = [line.number or 0 for line in present]
        in_place = _longest_rising(numbers)
        for position, (line, number) in enumerate(zip(present, numbers, strict=True)):
            if position in in_place:
                continue
            after = f"behind {self._name_of(present[position - 1])}" if position else "first"
            yield (
                f"line {line.at}",
                f"{self._name_of(line)} was moved: it belongs in line {number} and stands {after}",
            )

    def _broken(self) -> Iterator[tuple[str, str]]:
        """Yield the undamaged lines that do not follow from the undamaged line before."""
        for (n, line), (m, following) in pairwise(sorted(self._home.items())):
            if m == n + 1 and following.content["prev"] != line.content["hash"]:
                yield (
                    f"line {following.at}",
                    f"{self._name_of(following)} does not follow from {self._name_of(line)} "
                    f"(line {line.at}): one of the two was altered and given a new hash",
                )

    def _twin(self, line: Line) -> str:
        twin = self._home.get(line.number or 0)
        if twin is None or twin.at == line.at:
            return ""
        is_same = twin.content == line.content
        return f": line {twin.at} is {'the same' if is_same else 'in its place, too'}"

    def _name_of(self, line: Line) -> str:
        return "the seal" if line.is_seal else f"request {line.content['request_id']}"

    def _name(self, number: int | None, line: Line | None = None) -> str:
        """Return a name for a line whose own fields may be wrong."""
        if number is None:
            return "a line"
        if number == self._last:
            return "the seal"
        if number <= len(self._names):
            return f"request {self._names[number - 1]}"
        said = line.content.get("request_id") if line else None
        return f"request {said}" if isinstance(said, str) else f"request number {number}"


def _longest_rising(numbers: list[int]) -> set[int]:
    """Return the positions of a longest rising subsequence."""
    tails: list[int] = []  # least number at the end of a rising run, by its length
    ends: list[int] = []  # position of that number
    before: list[int] = []
    for position, number in enumerate(numbers):
        length = bisect_left(tails, number)
        tails[length : length + 1] = [number]
        ends[length : length + 1] = [position]
        before.append(ends[length - 1] if length else -1)
    found = set()
    position = ends[-1] if ends else -1
    while position >= 0:
        found.add(position)
        position = before[position]
    return found
