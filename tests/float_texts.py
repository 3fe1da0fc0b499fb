"""A comparison of the compiled pass with orjson and with the general path, number by number.

    python tests/float_texts.py [--patterns 100000000] [--seed 7] [--all-32]

Numbers of 32 and of 64 bits: random bits, decimals of every length and size, whole numbers, and the
neighbours of powers of two and of ten. The first that differs is shown, with its bits, and the exit
status is 1. ``--all-32`` compares every 32-bit float there is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from mpreplay.fast.library import found, numbers_text
from mpreplay.values.number_texts import number_texts

AT_ONCE: Final = 1_000_000
BITS: Final[dict[Any, Any]] = {np.float32: np.uint32, np.float64: np.uint64}

Maker = Callable[[np.random.Generator, Any, int], Any]


def random_bits(random: np.random.Generator, kind: Any, n: int) -> Any:
    """Return numbers of random bits."""
    most = np.iinfo(BITS[kind]).max
    return random.integers(0, most, n, BITS[kind], endpoint=True).view(kind)


def decimals(random: np.random.Generator, kind: Any, n: int) -> Any:
    """Return numbers of few digits, of all sizes."""
    most = 10 ** random.integers(1, 18)
    digits = random.integers(-most, most, n)
    return (digits / 10.0 ** random.integers(-3, 15)).astype(kind)


def powers(random: np.random.Generator, kind: Any, n: int) -> Any:
    """Return the nearest neighbours of powers of two and of ten."""
    low, high = (-149, 128) if kind is np.float32 else (-1074, 1024)
    exponents = random.integers(low, high, n)
    tens = 10.0 ** np.clip(np.rint(exponents * 0.30103), -323, 308)
    ends = np.where(random.random(n) < 0.5, np.ldexp(1.0, exponents), tens)
    with np.errstate(over="ignore", under="ignore"):
        bits = ends.astype(kind).view(BITS[kind])
    return (bits + random.integers(-3, 4, n).astype(BITS[kind])).view(kind)


def whole(random: np.random.Generator, kind: Any, n: int) -> Any:
    """Return whole numbers."""
    most = 2 ** random.integers(1, 63)
    return random.integers(-most, most, n).astype(kind)


MAKERS: Final[tuple[Maker, ...]] = (random_bits, random_bits, decimals, powers, whole)


def general(numbers: Any) -> list[str | None]:
    """Return the texts of the general path."""
    return number_texts(pa.array(numbers)).array().to_pylist()


def differing(library: Any, numbers: Any) -> str:
    """Return the first number whose texts differ; empty if there is none."""
    ours = numbers_text(library, numbers)
    theirs = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    if ours != theirs:
        pairs = zip(numbers, ours.split(b","), theirs.split(b","), strict=False)
        number, a, b = next(pair for pair in pairs if pair[1] != pair[2])
        return f"{number!r} (bits {number.tobytes().hex()}): {a.decode()} is not {b.decode()}"
    few = numbers[np.isfinite(numbers)][:2_000]  # enough to be written as numbers of a grid
    texts = numbers_text(library, few).decode().split(",") if len(few) else []
    return "" if general(few) == texts else "the general path writes other texts"


def patterns(n: int, seed: int) -> Iterator[Any]:
    """Yield arrays of numbers, n of each width."""
    random = np.random.default_rng(seed)
    for start in range(0, n, AT_ONCE):
        for kind in BITS:
            maker = MAKERS[(start // AT_ONCE) % len(MAKERS)]
            yield maker(random, kind, min(AT_ONCE, n - start))


def all_32() -> Iterator[Any]:
    """Yield every 32-bit float."""
    for start in range(0, 2**32, 2**22):
        yield np.arange(start, start + 2**22, dtype=np.uint32).view(np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Compare, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patterns", type=int, default=10_000_000, help="numbers of each width")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all-32", action="store_true", help="every 32-bit float there is")
    options = parser.parse_args(arguments)
    state = found()
    if state.library is None:
        print(state)
        return 1
    begun, n = time.monotonic(), 0
    for numbers in all_32() if options.all_32 else patterns(options.patterns, options.seed):
        if told := differing(state.library, numbers):
            print(told)
            return 1
        n += len(numbers)
    print(f"{n:,} numbers are written alike, in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
