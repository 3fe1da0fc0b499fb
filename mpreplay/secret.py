"""``Secret``: a secret text, or a reference to one, that nothing shows by accident.

A shell: follows references into the environment and into files. No function here raises while a
secret stands in its frame: error trackers print the names of a frame with their values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from .errors import ConfigError

__all__ = ["HIDDEN", "Secret", "for_a_child", "sealed"]

HIDDEN: Final = "***"
# Beginnings of names of variables that a Python needs.
_NEEDED: Final = (
    *("PATH", "HOME", "USERPROFILE", "APPDATA", "SYSTEMROOT", "TMP", "TEMP", "LANG", "LC_", "TZ"),
    *("PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "DYLD_", "OMP_", "COVERAGE_"),
)


class Secret:
    """A secret text, or a reference to one; shown as ``***``.

    Parameters
    ----------
    given : str or Secret
        The text; or ``env:NAME`` or ``file:PATH``, a reference followed at each :meth:`reveal`.

    Raises
    ------
    ConfigError
        If it is no text, empty, or holds a character that UTF-8 cannot carry.

    Notes
    -----
    A reference can be pickled, and is followed where it arrives; a plain secret cannot.

    Examples
    --------
    >>> secret = Secret("open sesame")
    >>> print(secret, [secret], f"{secret:>5}")
    *** [Secret(***)]   ***
    >>> secret.reveal()
    'open sesame'
    """

    __slots__ = ("_given",)

    def __init__(self, given: str | Secret) -> None:
        self._given = _closed(given)
        given = HIDDEN
        self.check("a secret")

    @classmethod
    def sealed(cls, given: Any) -> Secret:
        """Return a secret without a check, so that it is hidden before anything may fail."""
        secret = cls.__new__(cls)
        secret._given = _closed(given)
        return secret

    def check(self, name: str) -> None:
        """Raise ConfigError, with the name of what this is, unless it can be a secret."""
        if fault := _fault_of(self._given()):
            raise ConfigError(f"{name} {fault}", argument=name)

    @property
    def reference(self) -> str | None:
        """The reference, or None for a plain secret."""
        given = self._given()
        kind, _, name = given.partition(":") if isinstance(given, str) else ("", "", "")
        return f"{kind}:{name}" if kind in {"env", "file"} and name else None

    def reveal(self) -> str:
        """Return the text, following a reference.

        Raises
        ------
        ConfigError
            If the variable is not set, or the file cannot be read.
        """
        if reference := self.reference:
            return _followed(*reference.split(":", 1))
        self.check("a secret")
        return str(self._given())

    def as_given(self) -> str:
        """Return the text without following a reference."""
        return str(self._given())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._given() == other._given())

    def __hash__(self) -> int:
        return hash(("Secret", self._given()))

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> Any:
        if reference := self.reference:
            return Secret, (reference,)
        raise ConfigError(
            "a plain secret is not pickled, since the bytes would show it: give a reference, "
            "env:NAME or file:PATH, which is followed where it arrives"
        )


def sealed(given: Any) -> Any:
    """Return what a caller gave with its texts as secrets: a URI, or a mapping to secrets.

    What may hold a text somewhere is sealed as a whole, for others to refuse.
    """
    if isinstance(given, Mapping):
        return {key: Secret.sealed(secret) for key, secret in given.items()}
    return Secret.sealed(given) if isinstance(given, Iterable) else given


def for_a_child() -> dict[str, str]:
    """Return the environment for another Python: without the variables in which secrets stand."""
    return {name: text for name, text in os.environ.items() if name.upper().startswith(_NEEDED)}


def _closed(given: Any) -> Callable[[], Any]:
    """Return a function that returns a value: whatever lists attributes finds the function."""
    if isinstance(given, Secret):
        return given._given
    return lambda: given


def _fault_of(given: Any) -> str:
    """Return what is wrong with a secret; the empty text for nothing."""
    if not isinstance(given, str):
        return f"must be a text or a mpreplay.Secret, got {type(given).__name__}"
    if not given:
        return "is empty"
    if given == HIDDEN:
        return f"is {HIDDEN}, which stands for a secret where it is shown; give the secret itself"
    if any("\ud800" <= character <= "\udfff" for character in given):
        return "holds a character that UTF-8 cannot carry (a lone surrogate)"
    return ""


def _followed(kind: str, name: str) -> str:
    if kind == "file":
        return _in_file(name)
    value = os.environ.get(name, "")
    fault = _fault_of(value)
    if not fault:
        return value
    is_set, value = bool(value), HIDDEN
    raise ConfigError(
        f"the secret refers to env:{name}, which {fault}"
        if is_set
        else f"the secret refers to env:{name}, but {name} is not set; set it"
    )


def _in_file(name: str) -> str:
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: not a possible file name
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the secret refers to file:{name!r}, which cannot be read ({why})"
        ) from error
    value = content.decode(errors="replace").strip()
    if value and "\ufffd" not in value:
        return value
    content, value = b"", HIDDEN
    raise ConfigError(f"the secret refers to file:{name!r}, which holds no text in UTF-8")
