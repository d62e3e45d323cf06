# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report page in a real browser: on a screen, on a phone, on paper, in the dark, and with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import report
from support.browser import NARROW, WIDE, Browser, browser, needs_chromium

pytestmark = [pytest.mark.once, needs_chromium]

STICKING_OUT = """[...document.querySelectorAll("body *")].filter(each => {
  const box = each.getBoundingClientRect();
  return !each.matches(".skip, .unseen") && (box.left < 0 || box.right > innerWidth || each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1
    && getComputedStyle(each).display !== "inline" && !each.matches(".track, .axis"));
}).map(each => each.outerHTML.slice(0, 100)).slice(0, 5)"""
"""Elements that are wider than the window, or than what they are in."""
CONTRASTS = """(() => {
  const channels = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return {rgb: [r, g, b], a}; };
  const behind = (each) => { for (; each; each = each.parentElement) {
    const colour = channels(getComputedStyle(each).backgroundColor);
    if (colour.a === 1) return colour.rgb;
  } return [255, 255, 255]; };
  const light = (rgb) => rgb.map(each => each / 255).map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
  const contrast = (one, other) => { const [low, high] = [light(one), light(other)].sort((a, b) => a - b); return (high + 0.05) / (low + 0.05); };
  const texts = [...document.querySelectorAll("body *")].filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  const of_texts = texts.map(each => [contrast(channels(getComputedStyle(each).color).rgb, behind(each)), each.outerHTML.slice(0, 100)]);
  const of_marks = [...document.querySelectorAll(".dot")].map(each =>
    [contrast(channels(getComputedStyle(each).borderTopColor).rgb, behind(each.parentElement)), each.outerHTML]);
  const of_phases = [...document.querySelectorAll(".track i, .key")].filter(each => channels(getComputedStyle(each).backgroundColor).a === 1)
    .map(each => [contrast(behind(each), behind(each.closest(".card"))), each.outerHTML]);
  return [of_texts, [...of_marks, ...of_phases]].map(found => found.sort((one, other) => one[0] - other[0])[0]);
})()"""
"""The text, and the mark or bar, with the lowest contrast to what is behind it, by the formula of WCAG 2."""
AA_TEXT, AA_GRAPHICS = 4.5, 3.0


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def written(tmp_path: Path, count: int) -> str:
    """The address of a page with so many snapshots, and with names as long as they may be."""
    hosts, snapshots = report.fleet(count)
    first = next(iter(hosts.values()))
    first["run"] |= {"state": "failed", "good": False, "failed_task": "T" * 300, "msg": "no/spaces/in/this/path" * 20}
    snapshots[0] |= {"name": "n" * 128, "remark": "r" * 100}
    page = tmp_path / "report.html"
    page.write_text(report.render({"h" * 200: first, **dict(list(hosts.items())[1:])}, snapshots))
    return page.as_uri()


@pytest.mark.parametrize("count", [1, 50, 2000])
def test_nothing_sticks_out_or_is_missing(chromium: Browser, tmp_path: Path, count: int) -> None:
    url = written(tmp_path, count)
    hosts, snapshots = report.fleet(count)
    for width, media in ((WIDE, "screen"), (NARROW, "screen"), (720, "print")):
        chromium.open(url, width, media=media, scripts=False)
        assert chromium.evaluate("document.documentElement.scrollWidth") <= width
        assert chromium.evaluate(STICKING_OUT) == []
        shown = chromium.evaluate("document.body.innerText")
        texts = [*(each["snapshot_id"] for each in snapshots), *list(hosts)[1:], "h" * 200, "n" * 128, "r" * 100, "T" * 300]
        assert [each for each in texts if each not in shown] == []


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_is_sufficient(chromium: Browser, tmp_path: Path, dark: bool) -> None:
    url = written(tmp_path, 100)
    background = "getComputedStyle(document.body).backgroundColor"
    for media, colour in (("screen", "rgb(17, 22, 29)" if dark else "rgb(246, 247, 249)"), ("print", "rgb(255, 255, 255)")):
        chromium.open(url, dark=dark, media=media)
        assert chromium.evaluate(background) == colour
        (text, where), (mark, which) = chromium.evaluate(CONTRASTS)
        assert text >= AA_TEXT, where
        assert mark >= AA_GRAPHICS or media == "print", which


def test_keyboard_reaches_every_link_and_shows_where_it_is(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 50))
    links = chromium.evaluate("document.links.length")
    reached = []
    for _link in range(links):
        chromium.press("Tab", 9)
        seen = "(({outlineStyle, outlineWidth}) => outlineStyle + outlineWidth)(getComputedStyle(document.activeElement))"
        inside = "(({left, top}) => left >= 0 && top >= 0)(document.activeElement.getBoundingClientRect())"
        assert (chromium.evaluate(seen), chromium.evaluate(inside)) == ("solid3px", True)
        reached.append(chromium.evaluate("document.activeElement.hash + document.activeElement.innerText"))
    assert reached[0] == "#contentSkip to the content" and len(set(reached)) == links


def test_screen_reader_gets_tables_with_names_and_no_decoration(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(written(tmp_path, 50))
    nodes = [each for each in chromium.accessibility() if not each["ignored"]]
    roles = [each["role"]["value"] for each in nodes]
    named = {(each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes}
    assert {"banner", "main", "contentinfo", "navigation", "article", "rowheader", "columnheader"} <= set(roles)
    assert ("table", "Snapshots of disk-web02-boot, the newest first") in named
    assert ("region", "Needs attention") in named and ("region", "Snapshots") in named and ("heading", "web02") in named
    assert not any("✕" in name or "✓" in name for role, name in named if role == "StaticText")
