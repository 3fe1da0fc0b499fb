"""Report and audit once: ``python report_once.py JOURNAL FOLDER``, and tell time and memory."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

from replay_once import peak
from turns import serve

import mpreplay as mp


def main(journal: str, folder: str) -> None:
    """Write the page and the audit of a run, and read its books, in this order."""
    mp.open_run, mp.Run  # noqa: B018 - what is imported on first use is imported
    gc.collect()
    before = peak()

    def turn() -> dict[str, float]:
        told: dict[str, float] = {}
        run = mp.open_run(journal)
        for name, action in (
            ("report", lambda: run.report(Path(folder) / "page.html")),
            ("audit", lambda: run.audit(Path(folder) / "audit")),
            ("books", lambda: told.update(n_books=len(run.books))),
        ):
            begin = time.perf_counter()
            action()
            told[name] = time.perf_counter() - begin
            told[f"{name}_mb"] = peak() - before  # so far
        return told

    serve(turn)


if __name__ == "__main__":
    main(*sys.argv[1:])
