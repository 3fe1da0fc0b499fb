"""The faults of a text that should be JSON, in words that show its line and what to write. Pure."""

from __future__ import annotations

import json
import re
from typing import Final

from ..errors import clipped

__all__ = ["decoded", "fault_of", "line_of"]

_SHOWN: Final = 70  # characters of a line
# First bytes of files that are not JSON, and what they are.
_FILES: Final = (
    (b"PAR1", "a Parquet file: readings, of which mpreplay model --draft makes a draft"),
    (b"PK\x03\x04", "an Excel workbook or another zip file; the console also exports JSON"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; the console also exports JSON"),
    (b"%PDF", "a PDF"),
)
_YAML: Final = re.compile(r"(---|- |[A-Za-z_][\w .-]*:(\s|$))", re.ASCII)
_WORDS: Final = {
    "True": "JSON writes true",
    "False": "JSON writes false",
    "None": "JSON writes null",
    "undefined": "JSON writes null",
    "NaN": "JSON has no such number; leave the key out",
    "Infinity": "JSON has no such number; leave the key out for no bound",
    "-Infinity": "JSON has no such number; leave the key out for no bound",
}
_WORD: Final = re.compile(r"-?[A-Za-z_]\w*", re.ASCII)
_ESCAPE: Final = 'a backslash in a text is written twice, as in "C:\\\\data"'


def decoded(raw: bytes) -> str:
    """Return the text of a file, in UTF-8 or with a mark of UTF-16 or UTF-32 at its beginning.

    Raises
    ------
    ValueError
        If it is another kind of file, or its bytes are no text; the message says which.
    """
    for mark, kind in _FILES:
        if raw.startswith(mark):
            raise ValueError(f"it is {kind}")
    encoding = json.detect_encoding(raw)
    try:
        return raw.decode(encoding if raw[:2] in _MARKS else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line}: the byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None


_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00")


def fault_of(text: str, error: json.JSONDecodeError) -> str:
    """Return why a text is no JSON: its line, and what to write instead.

    Examples
    --------
    >>> text = '{"P": {"dataType": "INT",}}'
    >>> try:
    ...     json.loads(text)
    ... except json.JSONDecodeError as error:
    ...     print(fault_of(text, error))
    line 1, '{"P": {"dataType": "INT",}}': nothing follows its last comma; remove the comma
    """
    if told := _foreign(text):
        return told
    at = error.pos
    if not error.msg.startswith("Invalid control"):
        if text[at : at + 1] == "," and error.msg.startswith("Illegal trailing comma"):
            at += 1  # as Python 3.13 counts
        at += len(text[at:]) - len(text[at:].lstrip())
    why = _why(text, at, error)
    if why == _TRAILING:  # the comma may stand on a line above
        at = len(text[:at].rstrip()) - 1
    return f"line {text.count(chr(10), 0, at) + 1}, {line_of(text, at)}: {why}"


def line_of(text: str, at: int) -> str:
    """Return the line of a place in a text, in quotes; of a long one the part around the place."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[begin : len(text) if end < 0 else end]
    first = max(0, min(at - begin - _SHOWN // 2, len(line) - _SHOWN))
    shown = line[first : first + _SHOWN]
    return repr(("…" if first else "") + shown.strip() + ("…" * (first + _SHOWN < len(line))))


def _foreign(text: str) -> str:
    """Return what a text is that does not begin as JSON does; empty if it does."""
    begin = text.lstrip()
    if not begin:
        return "it is empty"
    if begin[0] == "<":
        return "it begins with '<', as HTML and XML do; perhaps it is the page of a sign-in"
    if begin[0] not in "{[\"'/#“" and _YAML.match(begin):
        return (
            f"its first line is {line_of(begin, 0)}, as YAML is written; write it as JSON, "
            'such as {"measurepoints": {"P": {"dataType": "DOUBLE"}}}'
        )
    return ""


def _why(text: str, at: int, error: json.JSONDecodeError) -> str:
    """Return what is wrong at a place, and what to write."""
    here, before = text[at : at + 1], text[:at].rstrip()
    if not here or error.msg.startswith("Unterminated"):
        return _cut_off(error)
    if error.msg.startswith("Invalid"):
        return _plain(here, error)
    if here in "}]" and before.endswith(","):
        return _TRAILING
    if text.startswith(("//", "/*", "#"), at):
        return "JSON has no comments; remove it"
    if here in "'`“”„‘’":
        return f'texts and names stand in double quotes, "like this", not in {here}'
    word = _WORD.match(text, at)
    if word and "delimiter" in error.msg:
        return f"a comma, a colon or a quote is missing before {word.group()}"
    if word:
        known = _WORDS.get(word.group())
        return f"{word.group()} stands without quotes; " + (
            known or f'a name or a text is written "{clipped(word.group(), 20)}"'
        )
    return _number(text, at) or _plain(here, error)


_TRAILING: Final = "nothing follows its last comma; remove the comma"


def _cut_off(error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Unterminated"):
        return 'the text that begins here has no closing "'
    return "the text ends before its brackets are closed; the file is cut off, or a } is missing"


def _number(text: str, at: int) -> str:
    """Return what is wrong with a number before a place; empty if no number is."""
    written = re.search(r"[-+\w.,]*$", text[:at].rstrip(), re.ASCII)
    begun = written.group() if written else ""
    if text[at].isdigit() and re.fullmatch(r"-?\d+,", begun):
        return f"a number has a decimal point, not a comma: {begun[:-1]}.{text[at]}…"
    if text[at].isdigit() and re.fullmatch(r"-?0", begun):
        return "a number does not begin with a 0 before other digits"
    if text[at] in "+." and text[at + 1 : at + 2].isdigit():
        return f"a number begins with a digit or a minus sign, not with {text[at]!r}"
    return ""


_PLAIN: Final = {
    "Expecting ',' delimiter": "a comma is missing before {here}, or a bracket or a quote is wrong",
    "Expecting ':' delimiter": "a colon is missing between a name and its value, before {here}",
    "Expecting value": "a value is missing before {here}",
    "Expecting property name enclosed in double quotes": (
        'a name in double quotes must stand here, as in "dataType": "DOUBLE", not {here}'
    ),
    "Extra data": "the document ends before this; give one document, not several, one a line",
    "Invalid \\escape": _ESCAPE,
    "Invalid \\uXXXX escape": _ESCAPE,
    "Invalid control character at": (
        'a text goes on beyond its line, or has a tab in it: its closing " is missing, or the '
        "break is written \\n"
    ),
}


def _plain(here: str, error: json.JSONDecodeError) -> str:
    told = next((words for said, words in _PLAIN.items() if error.msg.startswith(said)), error.msg)
    return told.replace("{here}", repr(here))
