"""Values that lie far from all others of their point, as wrong values often do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FAR", "Far", "far_of"]

FAR: Final = 64  # most values that can be far from the others of their point
NEAR: Final = 32  # the spread of so many values, next to a gap, is what the gap is compared with
FINE: Final = 1e-3  # least spread, as a part of the whole spread: values may be written coarsely


class Far(NamedTuple):
    """The far values at an end of a point's order of values.

    Parameters
    ----------
    score : float
        Width of the gap to the other values, in spreads of the nearest of these.
    start, stop : int
        Their places in the order.
    """

    score: float
    start: int
    stop: int


def far_of(numbers: NDArray[np.float64]) -> Far | None:
    """Return the far values of a point; None if it has too few values, or no gap to speak of.

    Parameters
    ----------
    numbers : ndarray of float64, shape (n,)
        The values, ascending.

    Examples
    --------
    >>> far_of(np.array([-100.0, -100.0, 4.0, 4.5, 5.0, 6.0]))
    Far(score=52.0, start=0, stop=2)
    """
    n = len(numbers)
    most = min(max(n - 1, 0) // 2, FAR)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities, and differences of large ones
        spread = numbers[-1] - numbers[0] if most else 0.0
        if not 0 < spread < np.inf:
            return None
        steps = np.diff(numbers)
        least = max(FINE * spread, steps[steps > 0].min())
        low, high = (_end(ends, most, least) for ends in (numbers, -numbers[::-1]))
    (score, far), is_low = max((low, True), (high, False))
    if score < 1:
        return None
    return Far(score, 0, far) if is_low else Far(score, n - far, n)


def _end(numbers: NDArray[np.float64], most: int, least: float) -> tuple[float, int]:
    """Return the score of the widest gap at the lower end, and the number of values below it."""
    others = np.arange(1, most + 1)
    near = numbers[np.minimum(others + NEAR, len(numbers) - 1)] - numbers[others]
    scores = np.diff(numbers[: most + 1]) / np.maximum(near, least)
    at = int(scores.argmax())
    return float(scores[at]), at + 1
