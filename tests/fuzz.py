"""Search one door for bytes that end in an error which is not ours, guided by coverage.

``pip install -e '.[test,fuzz]'``, then ``python tests/fuzz.py TARGET --seconds 600``; without a
target it lists them. A finding is kept in a file, which ``--again FILE`` runs once more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run a fuzzer; libFuzzer ends the process itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--again", metavar="FILE", help="an input that was found")
    options = parser.parse_args()
    os.environ["MPREPLAY_STATE"] = tempfile.mkdtemp(prefix="mpreplay-state-")
    import atheris

    with atheris.instrument_imports(include=["mpreplay"]):
        from fuzzing import TARGETS

    if options.target not in TARGETS:
        parser.error(f"expected one of {', '.join(TARGETS)}")
    target = TARGETS[options.target]
    if options.again:
        target.run(Path(options.again).read_bytes())
        return
    corpus = Path(tempfile.mkdtemp(prefix=f"mpreplay-fuzz-{options.target}-"))
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [sys.argv[0], f"-max_total_time={options.seconds}", "-rss_limit_mb=4096"]
    atheris.Setup([*arguments, f"-artifact_prefix={corpus}/found-", str(corpus)], target.run)
    print(f"{options.target}: corpus and findings in {corpus}", flush=True)  # noqa: T201
    atheris.Fuzz()


if __name__ == "__main__":
    main()
