"""Files that ship with the package: an example of a job, and the schema for editors. A shell."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["EXAMPLE", "SCHEMA"]

EXAMPLE: Final = Path(__file__).with_name("example.toml")
SCHEMA: Final = Path(__file__).with_name("job.schema.json")
