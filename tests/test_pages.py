"""The pages for users: their code runs, their links lead somewhere, their names exist."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pages
import pytest
from help_of_commands import with_help
from pages import PAGES, ROOT, anchors_of, blocks_of, links_of

import mpreplay as mp
from mpreplay.checks.validation import Validation
from mpreplay.cli.options import STATUS, parser_of_commands
from mpreplay.simulator.handle import RehearsalPlatform

BLOCKS = {name: blocks_of(text) for name, text in PAGES.items()}
RUN = [name for name, blocks in BLOCKS.items() if any(block.is_run for block in blocks)]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COMMAND_LINE = PAGES["docs/command-line.md"]
FOR_OTHERS = {"docs/architecture.md", "docs/figures.md"}  # readers who change or measure the code
NO_ARGUMENTS = {"device", "delay", "kick", "lose_reply"}  # a folder's name, words of fault scripts
LINKED = {
    **PAGES,
    **{
        name: (ROOT / name).read_text("utf-8")
        for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")
    },
}


@pytest.mark.parametrize("name", RUN)
def test_the_code_of_a_page_runs(name: str, tmp_path: Path) -> None:
    """An example that does not run is worse than none."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    command = tmp_path / "bin" / "mpreplay"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mpreplay "$@"\n')
    command.chmod(0o755)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    blocks = [block._asdict() for block in BLOCKS[name] if block.is_run]
    done = subprocess.run(
        [sys.executable, "-W", "error", pages.__file__],
        input=json.dumps(blocks), cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {
            "PYTHONPATH": paths, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        },
    )  # fmt: skip
    promised = re.findall(r"#\s+(Run\(.*\))$", "\n".join(b["code"] for b in blocks), re.MULTILINE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [told for told in promised if told not in done.stdout] == []


def test_the_readme_begins_with_two_commands() -> None:
    """One runs the main job, one passes the tests: the one that a fresh machine is given."""
    first, second = [block for block in BLOCKS["README.md"] if block.language == "sh"][:2]

    assert first.code.strip().endswith("mpreplay demo")
    assert second.kind == "test command"
    assert "pytest" in second.code


def test_the_readme_is_read_in_a_few_minutes() -> None:
    """A stranger decides in one; the rest has pages of its own."""
    assert len(PAGES["README.md"].splitlines()) <= 170
    assert len(PAGES["README.md"].split()) <= 1_300


@pytest.mark.browser
@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="there is no browser: chromium")
def test_the_pictures_of_the_readme_can_be_made_again(tmp_path: Path) -> None:
    """A picture of an earlier report is a promise that nobody keeps."""
    script = ROOT / "docs" / "pictures" / "make.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}

    assert set(made) == {path.name for path in script.parent.glob("*.png")}
    assert all(picture.startswith(b"\x89PNG") for picture in made.values())
    assert made["report-light.png"] != made["report-dark.png"]


def test_a_figure_of_the_readme_stands_where_it_is_measured() -> None:
    """A claim without a command behind it is an advertisement."""
    claims = PAGES["README.md"].partition("## What no other")[2].partition("\n## ")[0]
    measured = PAGES["docs/figures.md"] + PAGES["docs/many-gateways.md"]
    figures = set(re.findall(r"\d[\d,.]*\d", claims))

    assert {"1,468,002", "67"} <= figures
    assert [
        one for one in figures if not re.search(rf"(?<![\d,.]){one}(?![\d,.]*\d)", measured)
    ] == []


def test_every_command_stands_on_the_page() -> None:
    """A command that nobody can find does not exist."""
    rows = re.findall(r"^\| `mpreplay (\w+)` \|", COMMAND_LINE, re.MULTILINE)

    assert sorted(rows) == sorted(parser_of_commands().commands)


def test_the_page_shows_the_help_that_is_printed() -> None:
    """``python tests/help_of_commands.py`` writes it anew."""
    assert with_help(COMMAND_LINE) == COMMAND_LINE


def test_the_exit_statuses_of_the_page_are_those_of_the_help() -> None:
    """A scheduler is told the same in both."""
    section = COMMAND_LINE.partition("## 1. Exit status")[2].partition("\n## ")[0]

    assert re.findall(r"^\| (\d) \|", section, re.MULTILINE) == re.findall(
        r"^ +(\d)  ", STATUS, re.MULTILINE
    )


@pytest.mark.parametrize("name", PAGES)
def test_code_that_is_not_run_says_why_and_could_be(name: str) -> None:
    """A typo in an example for the real platform is found here, too."""
    for block in BLOCKS[name]:
        assert block.kind in {"", "given", "not run", "recipe", "test command"}, block
        if block.kind in {"not run", "test command"}:
            assert block.kind == "test command" or block.told in pages.REASONS
            if block.language == "python":
                compile(block.code, name, "exec")
        if block.language == "sh":
            _parse_commands(block.code)


@pytest.mark.parametrize("name", PAGES)
def test_code_fits_the_width_of_a_page(name: str) -> None:
    """Elsewhere the end of a line, often its point, has to be scrolled for."""
    blocks = [block.code for block in BLOCKS[name] if block.kind != "recipe"]

    assert [line for line in "\n".join(blocks).splitlines() if len(line) > 100] == []


def _parse_commands(code: str) -> None:
    """Parse each ``mpreplay`` command of a script, up to the next sign of the shell."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        for is_sign, command in groupby(words, key=lambda word: set(word) <= set("();<>|&")):
            program, *arguments = command
            if not is_sign and program.rpartition("/")[2] == "mpreplay":
                parser_of_commands().parse_args(arguments)


@pytest.mark.parametrize("name", LINKED)
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    """A page that was renamed leaves readers before a wall: files and anchors, offline."""
    here = (ROOT / name).parent
    broken = []
    for link in links_of(LINKED[name]):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (here / path).resolve() if path else ROOT / name
        leads = target.exists() and (not anchor or anchor in anchors_of(target.read_text("utf-8")))
        broken += [] if leads else [link]

    assert broken == []


def test_every_page_is_found_from_the_index() -> None:
    """A page that no other names does not exist."""
    index = {link for link in links_of(PAGES["docs/index.md"]) if "/" not in link}
    pages_of_docs = {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")}

    assert pages_of_docs - {"index.md"} <= index


@pytest.mark.parametrize("name", LINKED)
def test_the_options_and_names_of_a_page_exist(name: str) -> None:
    """A renamed option or name leaves its old name behind in a sentence."""
    options = _options(parser_of_commands())
    prose = re.sub(r"^```.*?^```$", "", LINKED[name], flags=re.DOTALL | re.MULTILINE)
    commands = " ".join(re.findall(r"`(mpreplay [^`]*)`", prose))
    names = set(re.findall(r"\bmp\.([A-Za-z]\w*)", LINKED[name]))

    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", commands)) - options == set()
    assert {one for one in names if not hasattr(mp, one)} == set()


def _members(public: object) -> set[str]:
    """Return the members of a public class."""
    return {*dir(public), *getattr(public, "__annotations__", {})}


def _parameters() -> set[str]:
    """Return the names of all arguments of what is public."""
    public = [getattr(mp, name) for name in mp.__all__]
    methods = [
        member
        for one in public
        if inspect.isclass(one)
        for name, member in inspect.getmembers(one)
        if callable(member) and not name.startswith("_")
    ]
    found: set[str] = set()
    for one in [*public, *methods]:
        with contextlib.suppress(TypeError, ValueError):
            found |= set(inspect.signature(one).parameters)
    return found


@pytest.mark.parametrize("name", sorted(set(PAGES) - FOR_OTHERS))
def test_the_arguments_and_members_in_a_sentence_exist(name: str) -> None:
    """Code is run; a sentence about an argument that was renamed is not."""
    members = {
        "run": mp.Run, "history": mp.History, "validation": Validation, "plan": mp.Plan,
        "platform": RehearsalPlatform, "fleet": mp.FleetRun,
    }  # fmt: skip
    prose = re.sub(r"^```.*?^```$", "", PAGES[name], flags=re.DOTALL | re.MULTILINE)
    inline = [code for code in re.findall(r"`([^`\n]+)`", prose) if " python " not in f" {code}"]
    arguments = {one for code in inline for one in re.findall(r"(?:^|[(, ])([a-z_]+)=(?!=)", code)}
    named = {pair for code in inline for pair in re.findall(r"^(\w+)\.([a-z]\w*)", code)}
    of_ours = [(members[one], name) for one, name in named if one in members]

    assert arguments - _parameters() - NO_ARGUMENTS == set()
    assert [name for one, name in of_ours if name not in _members(one)] == []


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a parser and of its commands."""
    found = set(parser._option_string_actions)
    for command in parser.commands.values():
        found |= _options(command)
    return found
