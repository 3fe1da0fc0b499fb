"""A file of values that the platform has stored, for a comparison. A shell over a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_stored"]

_NEEDED: Final = ("time", "measurepoint", "value")
_EXPECTED: Final = (
    "expected a CSV or Parquet file with the columns device_key, time, measurepoint, value, and "
    "product_key if there are several products"
)


def read_stored(path: Path) -> pd.DataFrame:
    """Return the values in a file, as ``Run.reconcile`` takes them.

    In a CSV file all cells are texts, times are ISO 8601 with an offset or milliseconds.

    Raises
    ------
    ConfigError
        If the file cannot be read, or lacks a column.
    """
    import pandas as pd

    is_text = path.suffix.lower() != ".parquet"
    try:
        if is_text:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        else:
            frame = pd.read_parquet(path)
    except Exception as error:  # of pandas and pyarrow: of many kinds
        why = getattr(error, "strerror", None) or type(error).__name__
        raise _wrong(path, f"cannot be read ({why})") from error
    if lacking := [name for name in _NEEDED if name not in frame.columns]:
        raise _wrong(path, f"there is no column {lacking[0]!r}")
    return _with_numbers(frame) if is_text else frame


def _with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of texts with its times as numbers, if all of them are milliseconds."""
    texts = frame["time"].str.strip()
    if len(texts) and texts.str.fullmatch(r"-?[0-9]{1,18}").all():
        return frame.assign(time=texts.astype("int64"))
    return frame


def _wrong(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path}: {why}; {_EXPECTED}", argument="stored", value=path)
