"""Reasons and advice for a page whose readers may have no Python.

Pure. A sentence names no argument of the library; what to pass stands behind it, apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from ..errors import Message, clipped

__all__ = [
    "PLAIN",
    "PLAIN_ADVICE",
    "PLAIN_OF_MANY",
    "TERMS",
    "Apart",
    "Words",
    "known",
    "span",
    "told_apart",
]

# The words of each kind of reason.
Words = Mapping[str, Callable[..., str]]


def known(texts: Iterable[str], n: int) -> str:
    """Return the first of n texts in quotes."""
    told = [repr(text) for text in texts]
    return f"{', '.join(told)}{', …' if n > len(told) else ''}"


def span(first: str | None, last: str | None) -> str:
    """Return the span of plausible times; None is an open end."""
    if first is None or last is None:
        return f"before {last}" if first is None else f"from {first} on"
    return f"between {first} and {last}"


_OFFSETS: Final = "write such times with an offset"
PLAIN: Final[Words] = {
    "unmapped": lambda texts, n: f"none of the texts that have a value: {known(texts, n)}",
    "naive_time": lambda value: f"{value} is a time without a zone; {_OFFSETS}",
    "no_unit": lambda value: f"{value} is a number, and its unit of time is not known",
    "fold": lambda tz, value: (
        f"{value} occurs twice in {tz}, where the clock is changed (put back); {_OFFSETS}"
    ),
    "fold_not_told": lambda tz, value: (
        f"{value} occurs twice in {tz}, where the clock is changed (put back), and the order of "
        f"the device's rows does not tell which of the two it is; {_OFFSETS}"
    ),
    "gap": lambda tz, value: (
        f"{value} does not exist in {tz}, where the clock is changed (put forward); {_OFFSETS}"
    ),
    "implausible": lambda first, last, value: (
        f"{value} does not lie {span(first, last)}, where times are plausible"
    ),
}
PLAIN_OF_MANY: Final[Words] = {
    "naive_time": lambda value: f"times without a zone, such as {value}; {_OFFSETS}",
    "no_unit": lambda value: f"numbers whose unit of time is not known, such as {value}",
    "fold": lambda tz, value: (
        f"occur twice in {tz}, where the clock is changed (put back), such as {value}; {_OFFSETS}"
    ),
    "fold_not_told": lambda tz, value: (
        f"occur twice in {tz}, where the clock is changed (put back), and the order of the rows "
        f"does not tell which of the two is meant, such as {value}; {_OFFSETS}"
    ),
    "gap": lambda tz, value: (
        f"do not exist in {tz}, where the clock is changed (put forward), such as {value}; "
        f"{_OFFSETS}"
    ),
    "implausible": lambda first, last, value: (
        f"not {span(first, last)}, where times are plausible, such as {value}"
    ),
}
_SIGN_IN: Final = "sub_device_secrets=…, or allow_offline_sub_device=True"


class Apart(NamedTuple):
    """A sentence without a full stop, and the arguments that it is about, as they are written."""

    said: str
    arguments: str = ""


# Advice that names arguments, by its key.
PLAIN_ADVICE: Final = {
    "misspelt": Apart(
        "write it as a plain number, such as 1234.5, or replay it with the form of the numbers "
        "given",
        "text=… or points=…",
    ),
    "permission alone": Apart(
        "sign the device in, or ask the platform to take readings of devices that are offline; if "
        "it is declined then too, add it to the gateway's topology",
        _SIGN_IN,
    ),
    "permission": Apart(
        "one of this request's devices is to blame: sign it in, or ask the platform to take "
        "readings of devices that are offline; one that is declined then too is not in the "
        "gateway's topology",
        _SIGN_IN,
    ),
    "refused": Apart(
        "mend its sign-in, which was refused for the reason given: the secret that was given for "
        "it, or the device itself on the platform",
        "sub_device_secrets=…",
    ),
    "size": Apart("make the requests smaller", "max_bytes=…"),
}

# The words of a page about a run, for a reader who meets them first there.
TERMS: Final = (
    ("value", "one reading: of one point, of one device, at one time"),
    ("row", "a line of what was read, with one or several values; row 0 is the first with data"),
    ("point", "a quantity that a device measures; on the platform, a measurement point"),
    ("gateway", "the device that the run signed in as, and that reports for its sub-devices"),
    (
        "offline",
        "not signed in on the platform, which then declines a device's values unless asked "
        "to take them",
    ),
    ("topology", "the platform's list of the devices that belong to a gateway"),
    ("thing model", "the platform's list of the points of a device: their types, ranges and units"),
    ("range", "the numbers that a point may have; [0, 60] is from 0 to 60, both included"),
    ("request", "a message to the platform with many values, answered as a whole by a code"),
    ("entry", "the values of one device at one time, within a request"),
    (
        "taken apart, divided",
        "a declined request was sent again in parts, so that the values at "
        "fault stand alone and all others arrive",
    ),
    ("held back", "not sent, since the platform had just declined its device; counts as declined"),
    ("superseded", "another row has the same device, time and point, and its value was chosen"),
    ("equal copy", "a value that another row repeats; it is sent once, and both have its fate"),
    ("latency", "the time from sending a request to its answer"),
    ("reject", "a value that was declined, withheld, left in doubt or not sent"),
    ("books", "the number of values of each fate, by device and day"),
    ("DataFrame", "a table in the memory of the program that ran the replay, and no file"),
    ("journal", "the file in which the run noted each step; this page was made from it"),
    ("SHA-256", "the fingerprint of a file: 64 digits, others if a single byte is changed"),
    ("audit, head", "a folder with the tables of the run, and the fingerprint that seals it"),
)


def told_apart(told: str | Message) -> Apart:
    """Return a message without its arguments, which stand at the end of its clauses.

    Examples
    --------
    >>> from mpreplay.errors import Argument, message
    >>> told_apart(message("P: 9 of 300 cells are '-': ", Argument("absent", ("-",))))
    Apart(said="P: 9 of 300 cells are '-'", arguments="absent=('-',)")
    """
    if not isinstance(told, Message):
        return Apart(told)
    said, arguments = "", []
    for part in told:
        if isinstance(part, str):
            said += part
            continue
        arguments.append(clipped(str(part)))
        said = said.rstrip(" :,")
    return Apart(said.rstrip(" :,"), ", ".join(arguments))
