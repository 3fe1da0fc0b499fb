"""Files that outlive a version: their format changes with what they hold."""

from __future__ import annotations

import hashlib
import json

from mpreplay.audit import bundle
from mpreplay.journal import reader, writer

# A new digest asks for the next number; a number is used once.
JOURNALS = {6: "cf8bfcca3ab5"}
AUDITS = {3: "5124a8e6a839"}


def digest(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def test_a_journal_of_another_schema_has_another_format() -> None:
    """An older journal is refused with its format, not with a missing column."""
    assert digest(" ".join(writer._SCHEMA.split())) == JOURNALS[reader.FORMAT]


def test_an_audit_of_other_columns_has_another_format() -> None:
    """An older audit, intact as it is, is not called altered."""
    assert digest(json.dumps(bundle.TABLES)) == AUDITS[bundle.FORMAT]
