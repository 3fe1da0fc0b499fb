"""The pages for users: README.md and docs/*.md, their blocks of code and their links.

As a script it runs the blocks of one page, given as JSON on stdin, in order of appearance: Python
in one namespace, sh with ``mpreplay`` and a rehearsal platform at hand.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
# Reasons for a block that no test runs. Its Python is compiled, its commands are parsed.
REASONS = {
    "it needs a package index",
    "it needs the platform",
    "it needs a scheduler of Dask",
    "it goes on until Ctrl-C",
}
_FENCE = re.compile(
    r"(?:^<!-- (?P<kind>[a-z ]+)(?:: (?P<told>[^\n]*?))? -->\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    r"(?:\n\n^```text\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A block of code, the comment directly before it, and the output shown directly after it."""

    language: str
    code: str
    kind: str
    told: str
    output: str | None

    @property
    def is_run(self) -> bool:
        """Whether the test of its page runs it."""
        return self.language in {"python", "sh"} and self.kind in {"", "given"}


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    return [
        Block(one["language"], one["code"], one["kind"] or "", one["told"] or "", one["output"])
        for one in _FENCE.finditer(text)
    ]


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M), re.M)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def links_of(text: str) -> list[str]:
    """Return the targets of a page's links and pictures, code left out."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"\]\(([^)\s]+)\)", prose)
    return inline + re.findall(r'(?:src|srcset|href)="([^"]+)"', prose)


def main() -> None:
    """Run the blocks on stdin; end with the first that fails, or shows other than it says."""
    blocks = json.load(sys.stdin)
    with contextlib.ExitStack() as stack:
        if any(block["language"] == "sh" for block in blocks):
            stack.enter_context(platform())
        run_all(blocks)


def run_all(blocks: list[dict[str, str]]) -> None:
    """Run blocks in turn, and compare what they print with what they say."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(blocks, 1):
        if block["kind"] == "given":
            write_journal(block["told"])
        if block["language"] == "python":
            shown = run_python(block["code"], number, namespace)
        else:
            shown = run_sh(block["code"])
        sys.stdout.write(shown)
        expected = block["output"]
        if expected is not None and shown.split() != expected.split():
            sys.exit(f"block {number} shows\n{shown}\nand not\n{expected}")


@contextlib.contextmanager
def platform() -> Iterator[None]:
    """Run a rehearsal platform, which the environment names, with the turbines of the example."""
    import mpreplay as mp
    from mpreplay.demo import TURBINES, wind_farm_model

    turbines = [("wind-turbine", name) for name in TURBINES]
    with mp.simulate(wind_farm_model(), sub_devices=turbines) as running:
        os.environ["MPREPLAY_CONNECTION"] = running.connection.to_uri(reveal_secret=True)
        yield


def run_python(code: str, number: int, namespace: dict[str, object]) -> str:
    """Return what a block of Python prints."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, f"block {number}", "exec"), namespace)
    return shown.getvalue()


def run_sh(code: str) -> str:
    """Return what a block of sh prints; each of its commands must end with 0."""
    done = subprocess.run(["sh", "-euc", code], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"status {done.returncode} of\n{code}\n{done.stdout}")
    return done.stdout


def write_journal(path: str) -> None:
    """Write the journal of a replay of the example."""
    import mpreplay as mp
    from mpreplay.demo import TURBINES

    model = mp.ThingModel.load("data/wind_farm.model.json")
    history = mp.read_history(
        "data/wind_farm.parquet",
        time_column="time",
        device_column="turbine",
        product_key="wind-turbine",
    )
    policy = {"allow_offline_sub_device": True, "on_invalid": "withhold", "duplicates": "last"}
    turbines = [("wind-turbine", name) for name in TURBINES]
    with mp.simulate(model, sub_devices=turbines) as platform:
        mp.replay(history, model, platform.connection, journal=path, **policy)


if __name__ == "__main__":
    main()
