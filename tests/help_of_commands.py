"""The help of each command, as docs/command-line.md shows it.

``python tests/help_of_commands.py`` writes it anew into the page.
"""

from __future__ import annotations

from pathlib import Path

from mpreplay.cli.options import parser_of_commands

PAGE = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"
BEGIN, END = "<!-- help -->", "<!-- end of help -->"


def with_help(text: str) -> str:
    """Return the page's text with the help that the commands print now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    program = parser_of_commands()
    helps = {"mpreplay COMMAND": program.format_help()}
    helps |= {f"mpreplay {name}": one.format_help() for name, one in program.commands.items()}
    shown = "\n\n".join(f"### {name}\n\n```text\n{text}```" for name, text in helps.items())
    return f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_help(PAGE.read_text("utf-8")), "utf-8")
