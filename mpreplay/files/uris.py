"""URIs of files in a remote store, taken apart so that their credentials are never shown. Pure.

A pattern and a percent sign of a folder's name (``hour=00%3A00``) are no part of a URI's grammar,
so that the path is kept as it is written and only the store is given to pyarrow as a URI.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Uri", "hidden", "parse_uri"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
_QUERY: Final = re.compile(r"\?[a-z_]+=[^?]*$")  # a ? elsewhere is part of a pattern
_AZURE: Final = ("abfs", "abfss")  # before the @ stands the container


class Uri(NamedTuple):
    """A URI: scheme, store with its credentials, path below the store."""

    scheme: str
    user: str
    host: str
    path: str
    query: str

    @property
    def store(self) -> str:
        """The URI of the store, credentials included: for pyarrow only, never shown."""
        user = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{user}{self.host}{self.query}"

    @property
    def shown(self) -> str:
        """The URI of the store without credentials."""
        user = self.user.partition(":")[0] if self.scheme in _AZURE else ""
        return f"{self.scheme}://{user}{'@' * bool(user)}{self.host}"


def parse_uri(text: str) -> Uri | None:
    """Return the parts of a URI, None for another text.

    Examples
    --------
    >>> parse_uri("s3://key:secret@plant/2024/*.parquet?region=eu-west-1").shown
    's3://plant'
    >>> parse_uri("s3://plant/part-?.parquet").path
    'part-?.parquet'
    """
    found = _SCHEME.match(text)
    if found is None or "://" not in found[0]:
        return None
    rest = text[found.end(1) + 3 :]
    query = _QUERY.search(rest)
    rest = rest[: query.start()] if query else rest
    authority, _, path = rest.partition("/")
    user, _, host = authority.rpartition("@")
    return Uri(found[1].lower(), user, host, path, query[0] if query else "")


def hidden(text: str) -> str:
    """Return a text without the credentials of a URI that it is or was meant to be.

    Examples
    --------
    >>> hidden("s3:/key:secret/with/slashes@plant/x"), hidden("folder/x@y")
    ('s3:/***@plant/x', 'folder/x@y')
    """
    found = _SCHEME.match(text)
    if found is None:
        return text
    query = _QUERY.search(text)
    text = text[: query.start()] if query else text
    before, at, behind = text.rpartition("@")
    plain = not at or ("/" in before[found.end() :] and ":" not in before[found.end() :])
    return text if plain else f"{found[0]}***@{behind}"
