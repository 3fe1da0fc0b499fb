"""Make the pictures of README.md: the head of a report, light and dark, as Chromium shows it.

``python docs/pictures/make.py [FOLDER]`` replays the wind farm of ``data/`` as README's example
does, and needs ``chromium`` or ``google-chrome``. Without a folder, they are written beside it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import mpreplay as mp

HERE: Final = Path(__file__).resolve().parent
DATA: Final = HERE.parents[1] / "data"
WIDTH: Final = 1020  # of the page [px]
SCALE: Final = 1.5  # sharp on fine screens, and still a small file
SHOWN: Final = ("why", "map")  # sections of the report, after its head
THEMES: Final = {"light": 1, "dark": 0}  # as Chromium's preferredColorScheme has them
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def main(folder_of_pictures: Path) -> int:
    """Write ``report-light.png`` and ``report-dark.png`` into a folder."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.stderr.write(f"none of {', '.join(BROWSERS)} is installed\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="mpreplay-pictures-") as folder:
        page = Path(folder) / "report.html"
        write_report(page)
        page.write_text(head_of(page.read_text("utf-8")), "utf-8")
        height = measured(browser, page)
        for theme, number in THEMES.items():
            target = folder_of_pictures / f"report-{theme}.png"
            open_page(
                browser,
                page,
                f"--window-size={WIDTH},{height}",
                f"--force-device-scale-factor={SCALE}",
                f"--blink-settings=preferredColorScheme={number}",
                f"--screenshot={target}",
            )
            sys.stdout.write(f"{target.name}: {target.stat().st_size:,} bytes\n")
    return 0


def write_report(path: Path) -> None:
    """Replay the example to a rehearsal platform, and write its report."""
    model = mp.ThingModel.load(DATA / "wind_farm.model.json")
    history = mp.read_history(
        DATA / "wind_farm.parquet",
        time_column="time",
        device_column="turbine",
        product_key="wind-turbine",
    )
    turbines = [("wind-turbine", name) for name in ("T01", "T02", "T03", "T04")]
    with mp.simulate(model, sub_devices=turbines) as platform:
        run = mp.replay(
            history,
            model,
            platform.connection,
            allow_offline_sub_device=True,
            on_invalid="withhold",
            duplicates="last",
        )
        run.report(path)


def head_of(page: str) -> str:
    """Return the page with its first sections alone."""
    hidden = "".join(f":not([aria-labelledby={name}])" for name in SHOWN)
    style = (
        f"main > section{hidden}, main details, nav, footer {{ display: none !important }}"
        "main { padding-bottom: 2rem }"
    )
    return page.replace("</head>", f"<style>{style}</style></head>")


def measured(browser: str, page: Path) -> int:
    """Return the height of a page at the width of the picture."""
    probe = page.with_name("probe.html")
    text = re.sub(r'<meta http-equiv="Content-Security[^>]*>', "", page.read_text("utf-8"))
    script = "<script>document.title = document.body.getBoundingClientRect().height</script>"
    probe.write_text(text.replace("</body>", f"{script}</body>"), "utf-8")
    shown = open_page(browser, probe, f"--window-size={WIDTH},600", "--dump-dom")
    return round(float(re.findall(r"<title>([\d.]+)</title>", shown)[0]))


def open_page(browser: str, page: Path, *options: str) -> str:
    """Open a page without a window; return what the browser prints."""
    profile = f"--user-data-dir={page.with_name('profile')}"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", profile]
    return subprocess.run(  # noqa: S603 - a browser of this machine
        [*command, *options, page.as_uri()], check=True, capture_output=True, text=True, timeout=120
    ).stdout


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]) if sys.argv[1:] else HERE))
