"""Reports, read by ear, by keyboard and with weak eyes: asked of a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from accessible import contrast_faults, keyboard_faults, tree_faults
from browser import CHROMIUM, Browser

import mpreplay as mp

DATA = Path(__file__).parents[2] / "data"
GATEWAY = ("gateway", "gw-1")
TURBINES = [("wind-turbine", f"T0{n}") for n in range(1, 5)]
PAGES = ("run with rejects", "run of accepted values", "validation", "plan", "fleet")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser: chromium"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Write each kind of page once, from the wind farm with planted faults."""
    folder = tmp_path_factory.mktemp("pages")
    model = mp.ThingModel.load(DATA / "wind_farm.model.json")
    source = DATA / "wind_farm.parquet"
    columns = {"time_column": "time", "device_column": "turbine", "product_key": "wind-turbine"}
    dirty = mp.read_history(source, **columns)
    clean = mp.read_history(source, **columns, start="2024-03-10", end="2024-03-10T01:00")
    policies = {"on_invalid": "withhold", "duplicates": "last", "allow_offline_sub_device": True}
    made = {name: folder / f"{n}.html" for n, name in enumerate(PAGES)}
    with mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform:
        for name, history in zip(PAGES, (dirty, clean), strict=False):
            mp.replay(history, model, platform.connection, **policies).report(made[name])
    gateways = {("gateway", f"gw-{n}"): TURBINES[2 * n : 2 * n + 2] for n in range(2)}
    with mp.simulate(model, gateways=gateways) as platform:
        topology = {
            gateway[1]: mp.Gateway(platform.connection_for(*gateway), devices)
            for gateway, devices in gateways.items()
        }
        run = mp.replay_fleet(dirty, model, topology, journal=folder / "fleet", **policies)
        run.report(made["fleet"])
    mp.validate(dirty, model).report(made["validation"])
    mp.plan(dirty, model, gateway=GATEWAY, **policies).report(made["plan"])
    return {name: path.as_uri() for name, path in made.items()}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser for all tests of this module."""
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_stands_out(
    pages: dict[str, str], browser: Browser, name: str, width: int, *, dark: bool
) -> None:
    """A contrast of 4.5 : 1, as WCAG 2 asks of texts (success criterion 1.4.3)."""
    opened = browser.open(pages[name], width, dark=dark)

    assert opened.said == []
    assert contrast_faults(browser) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_screen_reader_is_told_everything_in_order(
    pages: dict[str, str], browser: Browser, name: str
) -> None:
    """What it reads is not the markup but the tree that the browser makes of it."""
    browser.open(pages[name], 1100)

    assert tree_faults(browser) == []


@pytest.mark.parametrize("width", [1100, 390])
@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_fold_is_reached_by_keyboard(
    pages: dict[str, str], browser: Browser, name: str, width: int
) -> None:
    """Whoever has no mouse opens the same folds, in the order of reading."""
    browser.open(pages[name], width)

    assert keyboard_faults(browser) == []
