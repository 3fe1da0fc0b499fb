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
_TYPE = re.compile(r"^\w+(?:, \w+)* : .*``.*$", re.MULTILINE)
_TOGETHER = re.compile(
    r"^(\w+(?:, \w+)+)((?: : .+)?)\n((?: {4}.*\n)(?: {4}.*\n|\n)*)", re.MULTILINE
)
# What the package needs of a class and nobody else; a name that is gone is an error.
_INNER = {
    "Column": "canonical is_plain",
    "Connection": "device of",
    "History": "begun bounded census columns_left_out layouts n_rows_wanted slabs",
    "Job": "arguments in_its_words planned send validated",
    "Limits": "as_dict of",
    "Measurepoint": "arrow_type bounds facts has_int_keys has_schema is_any is_array is_bool"
    " is_date is_enum is_number is_struct is_text is_timestamp max_bytes range_text travels",
    "PlatformLimits": "as_dict takes_keepalive",
    "Secret": "as_given check sealed",
    "TextFormat": "canonical",
    "ThingModel": "digest",
    "Validation": "spelled",
}


class Numpydoc(griffe.Extension):
    """The changes to each object that Griffe has read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Tell arguments one by one, and make texts of choices and of roles."""
        if obj.docstring is not None:
            text = _TOGETHER.sub(_apart, f"{obj.docstring.value}\n")
            text = _TYPE.sub(lambda found: found[0].replace("``", ""), text)  # shown as code anyway
            obj.docstring.value = _ROLE.sub(r"`\1`", _CHOICES.sub(_choice, text))

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Leave out what is not for users."""
        if cls.name in _INNER and _is_public(cls):
            for name in _INNER[cls.name].split():
                del cls.members[name]

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Show the value of a default that is the name of a constant."""
        for parameter in func.parameters:
            if isinstance(parameter.default, griffe.ExprName):
                home = vars(importlib.import_module(func.module.path))
                name = parameter.default.name
                parameter.default = repr(home[name]) if name in home else name


def _is_public(cls: griffe.Class) -> bool:
    """Return True for the class that the package itself gives under this name."""
    home = getattr(importlib.import_module("mpreplay"), cls.name, None)
    return getattr(home, "__module__", None) == cls.module.path


def _apart(found: re.Match[str]) -> str:
    names, kinds = found[1].split(", "), found[2].removeprefix(" : ").split(", ")
    if len(kinds) == len(names) and kinds[-1] != "optional":
        return "".join(
            f"{name} : {kind}\n{found[3]}" for name, kind in zip(names, kinds, strict=True)
        )
    return "".join(f"{name}{found[2]}\n{found[3]}" for name in names)


def _choice(found: re.Match[str]) -> str:
    return found[1] + found[2].replace(", ", " | ")
