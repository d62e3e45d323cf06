# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The template of the report page: complete in itself, everything escaped, and marked up for those who do not see it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from jinja2 import Environment
from jinja2.nodes import Filter, Output, TemplateData
from support import report
from support.collection import CHECKOUT

TEMPLATE = CHECKOUT / "roles" / "snapshot_report" / "templates" / "report.html.j2"
EMPTY = {"meta", "br", "link", "img", "input"}
HOSTILE = """<script>alert(1)</script>"onload='x'{{ 7 * 191 }}{% raw %}&amp;</title></style><!-- \x1b\u202e"""


class Markup(HTMLParser):
    """The elements of a page. Raises AssertionError for one that is not closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _tag, attributes in self.elements if attribute in attributes]


@pytest.mark.parametrize("count", [1, 50, 2000])
def test_page_is_complete_in_itself_and_small(count: int) -> None:
    hosts, snapshots = report.fleet(count)
    page = report.render(hosts, snapshots)
    assert len(page.encode()) < 1_000_000
    markup = Markup(page)
    tags = [tag for tag, _attributes in markup.elements]
    assert not {"script", "link", "img", "iframe", "object"} & set(tags) and not re.search(r"url\(|@import|\son\w+=", page)
    assert markup.all("src") == [] and all(each.startswith("#") for each in markup.all("href"))
    ids = markup.all("id")
    assert len(ids) == len(set(ids)) and {each[1:] for each in markup.all("href")} <= set(ids)
    assert set(markup.all("aria-labelledby")) <= set(ids) and "en" in markup.all("lang")
    assert tags.count("table") == tags.count("caption") and tags.count("th") == len(markup.all("scope"))
    assert [tags.count(tag) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5
    text = "".join(markup.text)
    for each in snapshots:
        assert f"{each['name']}{each['snapshot_id']}" in text
    assert all(disk_id in text for host in hosts.values() for disk_id in host["disk_ids"])


def test_whatever_others_wrote_stays_text() -> None:
    hosts, snapshots = report.fleet(20)
    name, host = next(iter(hosts.items()))
    host["run"] = {**host["run"], "state": "failed", "good": False, **dict.fromkeys(("run_id", "failed_task", "msg", "advice"), HOSTILE)}
    for each in snapshots:
        each.update(dict.fromkeys(("name", "snapshot_id", "status", "disk_type", "remark"), HOSTILE))
    page = report.render(
        {HOSTILE: {**host, "policy": {**report.POLICY, "prefix": HOSTILE}}, name: {**host, "msg": HOSTILE}}, snapshots, HOSTILE
    )
    markup = Markup(page)
    usual = Markup(report.render({name: {**host, "msg": "no VM"}}, report.fleet(20)[1], "no keys"))
    assert {tag for tag, _attributes in markup.elements} == {tag for tag, _attributes in usual.elements}
    assert {key for _tag, attributes in markup.elements for key in attributes} == {
        key for _tag, attributes in usual.elements for key in attributes
    }
    shown = HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    assert "".join(markup.text).count(shown) > 6 * len(snapshots) and "1337" not in page
    assert not any("script" in value for value in [*markup.all("class"), *markup.all("style"), *markup.all("id"), *markup.all("href")])


def test_every_value_is_escaped() -> None:
    """One by one: Ansible ignores autoescape, as all native environments of Jinja do."""
    parsed = Environment().parse(TEMPLATE.read_text())
    parts = [part for output in parsed.find_all(Output) for part in output.nodes if not isinstance(part, TemplateData)]
    assert len(parts) > 50
    assert [part for part in parts if not (isinstance(part, Filter) and part.name == "e")] == []
    assert {each.name for each in parsed.find_all(Filter)} == {"e"}, "none that would call something safe"
