"""A secret shows itself to who asks for it, and to nobody else."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import pprint
import traceback
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.secret import sealed

TEXT = "s3cret-Zebra-77"
CONNECTION = mp.Connection("h", product_key="p", device_key="d", device_secret=TEXT)


@pytest.mark.parametrize("holder", [mp.Secret(TEXT), CONNECTION, {"x": mp.Secret(TEXT)}], ids=repr)
def test_nothing_that_writes_an_object_down_shows_its_secret(holder: Any) -> None:
    """Logs, notebooks, task queues and error trackers each have a way of their own."""
    shown = [repr(holder), str(holder), f"{holder}", ascii(holder)]
    shown += [pprint.pformat(holder), json.dumps(holder, default=str)]
    if not isinstance(holder, dict):
        # Early releases of Python 3.11 list a weak reference that objects do not have.
        names = [name for name in dir(holder) if name != "__weakref__"]
        shown += [repr([getattr(holder, name) for name in names]), f"{mp.Secret(TEXT):>30}"]
    if dataclasses.is_dataclass(holder):
        fields = dataclasses.asdict(holder)  # type: ignore[arg-type]
        shown += [repr(fields), repr(dataclasses.astuple(holder)), json.dumps(fields, default=str)]  # type: ignore[arg-type]

    assert "***" in shown[0]
    assert "Zebra" not in "".join(shown)
    for dumps in (json.dumps, orjson.dumps, vars, pickle.dumps):
        try:
            told = dumps(holder)  # type: ignore[operator]
        except (TypeError, mp.ConfigError) as error:
            told = error
        assert "Zebra" not in repr(told)


def test_a_plain_secret_is_not_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler keeps its tasks on disk; a reference is followed where the task runs."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(mp.ConfigError, match="give a reference, env:NAME or file:PATH"):
            pickle.dumps(CONNECTION, protocol)
    monkeypatch.setenv("GW_SECRET", TEXT)
    given_one = dataclasses.replace(CONNECTION, device_secret="env:GW_SECRET")
    there = pickle.loads(pickle.dumps(given_one))

    assert there == given_one
    assert there.device_secret.reveal() == TEXT
    assert there.device_secret.reference == "env:GW_SECRET"


def test_copies_are_the_same_secret() -> None:
    """A copy of a configuration still signs in."""
    assert copy.deepcopy(CONNECTION) == copy.copy(CONNECTION) == dataclasses.replace(CONNECTION)
    assert copy.deepcopy([mp.Secret(TEXT)]) == [mp.Secret(mp.Secret(TEXT))]
    assert len({mp.Secret(TEXT), mp.Secret(TEXT), mp.Secret("other")}) == 2
    assert mp.Secret(TEXT) != TEXT


def test_a_secret_may_be_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets belong in a vault's file or variable, not in scripts."""
    monkeypatch.setenv("GW_SECRET", TEXT)
    (tmp_path / "secret").write_text(f"{TEXT}\n", encoding="utf-8")

    assert mp.Secret("env:GW_SECRET").reveal() == TEXT
    assert mp.Secret(f"file:{tmp_path / 'secret'}").reveal() == TEXT
    assert mp.Secret(TEXT).reveal() == TEXT
    assert mp.Secret("env:").reveal() == "env:"
    assert mp.Secret("env:").reference is None


def test_a_reference_to_nothing_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is what the user must mend; the content of a file is never shown."""
    monkeypatch.delenv("GW_SECRET", raising=False)
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + TEXT.encode())

    with pytest.raises(mp.ConfigError, match="GW_SECRET is not set"):
        mp.Secret("env:GW_SECRET").reveal()
    for name in (str(tmp_path / "none"), str(tmp_path), "no\0name"):
        with pytest.raises(mp.ConfigError, match="cannot be read"):
            mp.Secret(f"file:{name}").reveal()
    for name in ("empty", "binary"):
        with pytest.raises(mp.ConfigError, match="holds no text") as caught:
            mp.Secret(f"file:{tmp_path / name}").reveal()
        assert TEXT not in "".join(traceback.format_exception(caught.value))


def test_a_variable_that_is_no_utf_8_is_refused_without_showing_it() -> None:
    """Python gives such bytes as surrogates, and the error of the standard library quotes them."""
    os.environb[b"GW_SECRET"] = TEXT.encode() + b"\xff"
    try:
        with pytest.raises(mp.ConfigError, match="env:GW_SECRET, which holds a char") as caught:
            mp.Secret("env:GW_SECRET").reveal()
    finally:
        del os.environb[b"GW_SECRET"]

    assert TEXT not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("wrong", ["", "***", 5, None, b"x", f"{TEXT}\ud800", "env:A\udcff", ["x"]])
def test_what_can_be_no_secret_is_refused_without_showing_it(wrong: Any) -> None:
    """At the door, and not when it is signed with an hour later."""
    with pytest.raises(mp.ConfigError, match=r"^a secret (is|must be|holds) ") as caught:
        mp.Secret(wrong)

    assert "Zebra" not in str(caught.value)
    assert caught.value.__context__ is None


@given(st.recursive(st.none() | st.text() | st.binary() | st.integers(), st.lists))
def test_sealing_never_fails(given_one: Any) -> None:
    """It comes before every check, so that a check may fail."""
    found = sealed({"key": given_one})

    assert repr(found) == "{'key': Secret(***)}"
    assert isinstance(sealed(given_one), mp.Secret) == isinstance(given_one, str | bytes | list)
