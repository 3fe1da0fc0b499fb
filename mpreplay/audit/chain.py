"""The hash chain that ties the files of an audit together.

Pure: facts in, lines out. ``requests.jsonl`` has a line for each request, in the order of the
journal, with the hash of the line before; the first line has the hash of the manifest's facts. The
last line is the seal, with the hashes of all other files. The hash of the seal is the head of the
chain, so that a byte changed anywhere changes the head.

The manifest holds the head, and the chain depends on the manifest's facts. This is no circle: the
facts are all of the manifest except the head and the files' hashes, which follow from the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "CHAIN",
    "MANIFEST",
    "Line",
    "canonical",
    "chained",
    "digest",
    "facts_of",
    "manifest_text",
    "parsed",
    "read_lines",
]

MANIFEST: Final = "manifest.json"
CHAIN: Final = "requests.jsonl"
# The parts of the manifest that follow from the chain, and so cannot go into the chain.
_DERIVED: Final = ("files", "head")
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "number": (int,),
    "request_id": (str,),
    "parent_id": (str, type(None)),
    "digest": (str,),
    "code": (int, type(None)),
    "outcome": (str,),
    "attempts": (int,),
    "n_values": (int,),
    "sent_at": (int, type(None)),
    "prev": (str,),
    "hash": (str,),
}
_SEAL_TYPES: Final[dict[str, tuple[type, ...]]] = {"seal": (dict,), "prev": (str,), "hash": (str,)}


def canonical(value: Any) -> bytes:
    """Return the canonical JSON text of a value: keys in order, no blanks, ASCII.

    Examples
    --------
    >>> canonical({"b": 1, "a": None})
    b'{"a":null,"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def facts_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a manifest on which the chain depends."""
    return {key: value for key, value in manifest.items() if key not in _DERIVED}


def manifest_text(manifest: dict[str, Any]) -> bytes:
    """Return the only valid text of a manifest, laid out for people."""
    text = json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False)
    return text.encode("ascii") + b"\n"


def chained(
    facts: dict[str, Any], requests: Iterable[dict[str, Any]], files: dict[str, str]
) -> Iterator[tuple[bytes, str]]:
    """Yield the lines of a chain with their hashes; the last is the seal, and its hash the head.

    Parameters
    ----------
    facts : dict
        The facts of the manifest.
    requests : iterable of dict
        In order, without number, ``prev`` and ``hash``.
    files : dict of str to str
        The SHA-256 of every other file, by name.
    """
    prev, n = digest(facts), 0
    for n, request in enumerate(requests, 1):
        line, prev = _linked({"number": n, **request}, prev)
        yield line, prev
    yield _linked({"seal": {"requests": n, "files": files}}, prev)


def _linked(content: dict[str, Any], prev: str) -> tuple[bytes, str]:
    content = {**content, "prev": prev}
    content["hash"] = digest(content)
    return canonical(content) + b"\n", content["hash"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chain, as found in the file.

    Parameters
    ----------
    at : int
        Number of the line in the file, from 1.
    content : dict
        JSON object in the line; empty if unreadable.
    fault : str
        Reason why the line cannot be as it was written, or the empty text.
    """

    at: int
    content: dict[str, Any]
    fault: str = ""

    @property
    def number(self) -> int | None:
        """Place in the chain, from 1; the seal follows the last request."""
        if self.is_seal:
            n = self.content["seal"].get("requests")
            return n + 1 if type(n) is int else None
        number = self.content.get("number")
        return number if type(number) is int else None

    @property
    def is_seal(self) -> bool:
        """True for a line that has the form of a seal."""
        return isinstance(self.content.get("seal"), dict)


def read_lines(text: bytes) -> list[Line]:
    """Return the lines of a chain, each judged by itself, however damaged."""
    *lines, rest = text.split(b"\n")
    found = [_line(at, line) for at, line in enumerate(lines, 1)]
    if rest:
        last = _line(len(lines) + 1, rest)
        found.append(Line(last.at, last.content, last.fault or "it does not end in a line feed"))
    return found


def parsed(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a text, or None where the text holds anything else."""
    try:
        content = json.loads(text.decode("ascii"))
        canonical(content)  # no infinities
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _line(at: int, text: bytes) -> Line:
    content = parsed(text)
    if content is None:
        return Line(at, {}, "it is not the JSON that is expected")
    types = _SEAL_TYPES if isinstance(content.get("seal"), dict) else _TYPES
    fault = ""
    if content.keys() != types.keys() or any(
        type(content[key]) not in known for key, known in types.items()
    ):
        fault = "it does not have the fields that were written"
    elif digest({key: value for key, value in content.items() if key != "hash"}) != content["hash"]:
        fault = "it does not match its hash"
    elif canonical(content) != text:
        fault = "it is not laid out as it was written"
    return Line(at, content, fault)
