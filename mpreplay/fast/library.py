"""The compiled pass: found, checked and loaded, once a process.

It is used only if it was compiled from the source here, runs on this processor, and writes numbers
as the installed orjson does. Without it everything is done in Python, with the same results.
"""

from __future__ import annotations

import ctypes
import os
import threading
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from .layout import FLOAT32, FLOAT64, Column, Form, declare, powers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["State", "found", "lane", "numbers_text", "state"]

SWITCH: Final = "MPREPLAY_FAST"
OFF: Final = {"0", "off", "no", "false"}
_FINDING: Final = threading.Lock()
HERE: Final = Path(__file__).parent
SOURCE: Final = HERE / "lane.c"
LIBRARY: Final = HERE / "lane.lib"
# Why there is no library, written down when the package was built.
LEFT_OUT: Final = HERE / "left_out.txt"

KINDS: Final = {"float32": FLOAT32, "float64": FLOAT64}


@dataclass(frozen=True, slots=True)
class State:
    """The compiled pass, or why it is not used.

    Parameters
    ----------
    library : CDLL, optional
        The functions of the pass; None if it is not used.
    why : str
        Why it is used or not, in words.
    """

    library: Any
    why: str

    def __str__(self) -> str:
        """Return one line."""
        return f"fast lane: {'off' if self.library is None else 'on'} ({self.why})"


def lane() -> Any:
    """Return the functions of the compiled pass, or None if it is not used."""
    return state().library


@cache
def state() -> State:
    """Return the compiled pass, or why it is not used; looked for once a process."""
    given = os.environ.get(SWITCH, "")
    if given.strip().lower() in OFF:
        return State(None, f"{SWITCH}={given} switches it off")
    return found()


def found() -> State:
    """Return the compiled pass, whether or not it is switched off."""
    with _FINDING:  # its tables are written once
        return _found()


@cache
def _found() -> State:
    if not LIBRARY.is_file():
        return State(None, _left_out())
    try:
        library = ctypes.CDLL(str(LIBRARY))
        declare(library)
        why = _unfit(library)
    except (OSError, AttributeError) as error:
        return State(None, f"{LIBRARY.name} cannot be used: {error}")
    return State(None, why) if why else State(library, "compiled when mpreplay was installed")


def _left_out() -> str:
    try:
        return LEFT_OUT.read_text(encoding="utf-8").strip()
    except OSError:
        return "not compiled; in a copy of the source, python hatch_build.py does it"


def _unfit(library: Any) -> str:
    """Return why a loaded library cannot be used; empty if it can."""
    if library.lane_source() != zlib.crc32(SOURCE.read_bytes()):
        return f"{LIBRARY.name} was made of another {SOURCE.name}; install mpreplay anew"
    if not library.lane_runs_here():
        return "compiled for another processor; install mpreplay anew"
    table = powers()
    forms = (Form * 2)(_form(np.float32), _form(np.float64))
    if library.lane_setup(table.ctypes.data, len(table), forms):
        return f"orjson {orjson.__version__} writes exponents in a way that is not known"
    for numbers in (_samples(np.float32), _samples(np.float64)):
        if numbers_text(library, numbers) != _orjson_text(numbers):
            return f"orjson {orjson.__version__} writes numbers otherwise"
    return ""


def _form(kind: Any) -> Form:
    """Return how orjson writes exponents of floats of a kind."""
    texts = {x: _orjson_text(np.array([float(f"1e{x}")], kind)) for x in range(-12, 26)}
    plain = [x for x, text in texts.items() if b"e" not in text]
    return Form(min(plain, default=0), max(plain, default=0), b"+" in texts[25])


def _samples(kind: Any) -> NDArray[Any]:
    """Return numbers of all kinds and sizes."""
    exponents = np.arange(-44, 38) if kind is np.float32 else np.arange(-323, 308, 3)
    digits = np.array([1, 1.5, -1 / 3, 1.23456789012345678])
    many = np.multiply.outer(digits, np.power(10.0, exponents)).ravel()
    few = np.array([0, -0.0, 1, 10, 0.1, 7.12, -1234.5, 16777216, np.nan, np.inf, -np.inf])
    return np.concatenate([many, few]).astype(kind)


def _orjson_text(numbers: NDArray[Any]) -> bytes:
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def numbers_text(library: Any, numbers: NDArray[Any]) -> bytes:
    """Return floats as the compiled pass writes them, with commas between them."""
    room = 40 * len(numbers) + 256
    text = ctypes.create_string_buffer(room)
    column = Column(
        values=numbers.ctypes.data, n=len(numbers), kind=KINDS[numbers.dtype.name], key=b""
    )
    size = library.lane_numbers(column, ctypes.addressof(text), room)
    return text.raw[: max(0, size - 1)]
