"""What keeps a page from those who read it by ear, by keyboard, or with weak eyes.

Asked of Chromium: its accessibility tree, its focus, and the colours that it computed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from browser import Browser

__all__ = ["contrast_faults", "keyboard_faults", "tree_faults"]

CONTRAST: Final = 4.5  # of text to what it stands on, at least
_NAMED: Final = {"link", "button", "image", "textbox", "searchbox", "checkbox", "heading"}
_REACHED: Final = {"link", "button", "DisclosureTriangle", "checkbox", "textbox"}
_STOPS: Final = 400  # of the focus in one page, at most

# Colours may be written in any way that CSS knows: a canvas says which pixel one makes.
_CONTRAST: Final = """(() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const pixel = (text) => {
    if (!known.has(text)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = text;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  };
  const over = (top, ground, share) =>
    [0, 1, 2].map((n) => top[n] * top[3] * share + ground[n] * (1 - top[3] * share));
  const linear = (part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const canvas = getComputedStyle(document.documentElement).colorScheme.includes("dark")
    && matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const ground = (element) => {
    if (!element) return canvas;
    const below = ground(element.parentElement);
    return over(pixel(getComputedStyle(element).backgroundColor), below, 1);
  };
  const opacity = (element) =>
    element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1;
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.data.trim();
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("script, style, noscript, [aria-hidden=true]")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width < 1 || box.height < 1) continue;
    const style = getComputedStyle(element);
    const share = opacity(element);
    if (share === 0) continue;
    const below = ground(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [high, low] = [luminance(over(pixel(ink), below, share)), luminance(below)]
      .sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const key = `${ink} on ${below.map(Math.round)} in ${element.tagName} ${element.className}`;
    if (ratio < LEAST && !found.has(key)) found.set(key, `${ratio.toFixed(2)}: ${key}: ${text}`);
  }
  return [...found.values()].map((line) => line.slice(0, 200));
})()"""
_EMPTY_HEADS: Final = "[...document.querySelectorAll('thead')].some(one => !one.textContent.trim())"
_SEEN: Final = """(() => {
  const box = document.activeElement.getBoundingClientRect();
  return box.width > 0 && box.height > 0
    && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
})()"""


def contrast_faults(browser: Browser, least: float = CONTRAST) -> list[str]:
    """Return the texts of the open page that stand out too little, one a pair of colours."""
    return browser.run(_CONTRAST.replace("LEAST", str(least)))


def tree_faults(browser: Browser) -> list[str]:
    """Return what is missing for a reader by ear: names, and headings one by one."""
    nodes = browser.tree()
    faults = [
        f"a {_role(node)} has no name"
        for node in nodes
        if _role(node) in _NAMED and not _name(node) and not _hidden(node)
    ]
    levels = [_value(node, "level") for node in nodes if _role(node) == "heading"]
    if levels.count(1) != 1:
        faults.append(f"{levels.count(1)} headings of the first level")
    faults += [
        f"a heading of level {below} follows one of level {above}"
        for above, below in pairwise(levels)
        if below > above + 1
    ]
    if browser.run(_EMPTY_HEADS):
        faults.append("a table has a head without words")
    if not any(_role(node) == "main" for node in nodes):
        faults.append("nothing is marked as the main part")
    return faults


def keyboard_faults(browser: Browser) -> list[str]:
    """Walk through the open page by Tab: every stop is named and seen, in the order of reading."""
    nodes = browser.tree()
    order = {node.get("backendDOMNodeId"): n for n, node in enumerate(nodes)}
    wanted = {node["backendDOMNodeId"] for node in nodes if _role(node) in _REACHED}
    stops: list[int] = []
    faults = []
    while len(stops) < _STOPS:
        browser.press("Tab")
        stop = browser.focused()
        if stop in stops or browser.run("document.activeElement === document.body"):
            break
        stops.append(stop)
        what = browser.run("document.activeElement.outerHTML.slice(0, 120)")
        if not browser.run(_SEEN):
            faults.append(f"the focus is where nobody sees it: {what}")
        if stop not in order:
            faults.append(f"the focus is where nobody hears it: {what}")
    places = [order[stop] for stop in stops if stop in order]
    if places != sorted(places):
        faults.append("the focus goes another way than the reading")
    missed = wanted - set(stops)
    if missed and len(stops) < _STOPS:
        faults += [f"no key reaches {_name(nodes[order[one]])!r}" for one in sorted(missed)]
    return faults


def _role(node: dict[str, Any]) -> str:
    return node["role"]["value"]


def _name(node: dict[str, Any]) -> str:
    return node.get("name", {}).get("value", "")


def _value(node: dict[str, Any], name: str) -> Any:
    values = [one["value"].get("value") for one in node["properties"] if one["name"] == name]
    return values[0] if values else None


def _hidden(node: dict[str, Any]) -> bool:
    return bool(_value(node, "hidden"))
