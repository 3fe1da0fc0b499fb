"""What Griffe must be told of this project's docstrings before they become a page.

Griffe takes the first of the choices ``{"a", "b"}`` for a default, gives arguments that are told
together the default of the first, and shows the names of constants. Here a page shows what the
signature says.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import griffe

_CHOICES = re.compile(r"^(\s*\w+(?:, \w+)* : )\{(.+)\}", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|attr|mod|exc):`~?([\w.]+)`")
_TOGETHER = re.compile(
    r"^(\w+(?:, \w+)+)((?: : .+)?)\n((?: {4}.*\n)(?: {4}.*\n|\n)*)", re.MULTILINE
)


class Numpydoc(griffe.Extension):
    """The changes to each object that Griffe has read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Tell arguments one by one, and make texts of choices and of roles."""
        if obj.docstring is not None:
            text = _TOGETHER.sub(_apart, f"{obj.docstring.value}\n")
            obj.docstring.value = _ROLE.sub(r"`\1`", _CHOICES.sub(_choice, text))

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Show the value of a default that is the name of a constant."""
        for parameter in func.parameters:
            if isinstance(parameter.default, griffe.ExprName):
                home = vars(importlib.import_module(func.module.path))
                name = parameter.default.name
                parameter.default = repr(home[name]) if name in home else name


def _apart(found: re.Match[str]) -> str:
    names, kinds = found[1].split(", "), found[2].removeprefix(" : ").split(", ")
    if len(kinds) == len(names) and kinds[-1] != "optional":
        return "".join(
            f"{name} : {kind}\n{found[3]}" for name, kind in zip(names, kinds, strict=True)
        )
    return "".join(f"{name}{found[2]}\n{found[3]}" for name in names)


def _choice(found: re.Match[str]) -> str:
    return found[1] + found[2].replace(", ", " | ")
