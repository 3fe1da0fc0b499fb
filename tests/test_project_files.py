"""Files that are read by forges, package tools and people before any code is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import mpreplay as mp

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
WORDS = {"textarea": {"label"}, "markdown": {"value"}, "checkboxes": {"label", "options"}}


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_citation_is_that_of_this_version() -> None:
    """A paper cites what its readers can get."""
    cited = _read(ROOT / "CITATION.cff")

    assert cited["version"] == mp.__version__
    assert cited["license"] == PROJECT["project"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited)


@pytest.mark.parametrize(
    "path", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem
)
def test_an_issue_form_is_one_that_forges_take(path: Path) -> None:
    """One wrong key, and the form is not shown at all."""
    form = _read(path)
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]

    assert {"name", "description", "body"} <= set(form)
    assert len(ids) == len(set(ids))
    for part in form["body"]:
        assert set(part["attributes"]) >= WORDS[part["type"]]


@pytest.mark.parametrize("path", [path for path in FORMS if path.stem != "config"])
def test_an_issue_form_warns_of_secrets(path: Path) -> None:
    """What is published once stays published."""
    form = _read(path)
    boxes = [part for part in form["body"] if part["type"] == "checkboxes"]

    assert "No secrets, please" in form["body"][0]["attributes"]["value"]
    assert all(box["attributes"]["options"][0]["required"] for box in boxes) and boxes


def test_a_bug_comes_with_the_summary_and_the_report() -> None:
    """They answer most of what would be asked next."""
    text = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")

    assert "run.summary()" in text and "run.report(" in text


def test_the_hooks_are_the_linters_of_the_contributing_page() -> None:
    """What a commit is checked by, and what a contributor is told to run, is one list."""
    hooks = _read(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    told = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert [hook["entry"].split()[0] for hook in hooks] == ["ruff", "ruff", "mypy", "codespell"]
    for hook in hooks:
        assert re.search(rf"\b{hook['entry'].split()[0]}\b", told)


def test_the_groups_for_developers_are_no_extras() -> None:
    """A user who asks for everything gets nothing that only this clone needs."""
    extras = PROJECT["project"]["optional-dependencies"]
    groups = {name for name in PROJECT["dependency-groups"] if name != "dev"}

    assert not set(extras) & groups
    assert PROJECT["dependency-groups"]["dev"] == [
        {"include-group": name} for name in sorted(groups)
    ]
