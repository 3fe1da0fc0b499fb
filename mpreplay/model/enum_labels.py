"""The labels of the keys of an ENUM, as exports of thing models have them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors.arguments import CLEAN_TEXT
from .json_fields import read_json

__all__ = ["described_in", "labels_of"]


def described_in(definition: Mapping[str, Any]) -> str:
    """Return the name under which a definition describes the keys of its ENUM."""
    return "enumDesc" if definition.get("enumDesc") else "specsMap"


def labels_of(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the label of each key of an ENUM; nothing if there is none but the keys themselves.

    Examples
    --------
    >>> labels_of({"enumDesc": {"0": {"defaultValue": "Stop"}, "1": {}}})
    ('Stop', '')
    """
    described = definition.get(described_in(definition))
    if not isinstance(described, Mapping):
        return ()
    labels = tuple(map(_label, described.values()))
    keys = tuple(str(key).strip() for key in described)
    is_told = any(label not in {"", key} for label, key in zip(labels, keys, strict=True))
    return labels if is_told else ()


def _label(value: Any) -> str:
    """Return what is said of a key, in the default language; no key is refused for its label."""
    if isinstance(value, str) and value.lstrip().startswith("{"):  # as a `specsMap` has it
        try:
            value = read_json(value)
        except ValueError:
            return ""
    if isinstance(value, Mapping):
        others = value.get("i18nValue")
        translated = list(others.values()) if isinstance(others, Mapping) else []
        value = value.get("defaultValue") or next(iter(translated), "")
    return value.strip() if CLEAN_TEXT.holds(value) else ""
