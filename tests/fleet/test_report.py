"""The page: one file that loads nothing, in which whatever was read is text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.fleet.charts import AGES, OLDER, ages
from airflow_provider_amplifybackend.fleet.report import SHOWN, page
from tests.fleet.made import finding, resource, row

FACTS = {"taken_at": "2026-11-29T12:00:00+00:00", "requests": 42, "seconds": 4.2}
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "--></style><svg onload=alert(1)>",
)
TEXTS = st.sampled_from(ATTACKS) | st.text(max_size=30)


class Page(HTMLParser):
    """The elements of a page, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def elements(text: str) -> list[str]:
    return [tag for tag, _ in Page(text).elements]


@settings(deadline=None)
@given(name=TEXTS, app=TEXTS, text=TEXTS, resource_name=TEXTS)
def test_whatever_was_read_is_text(name: str, app: str, text: str, resource_name: str) -> None:
    members: dict[str, Any] = {"attention": [finding("high", "x")], "resources": [resource()]}
    plain = page([row("plain", **members)], FACTS)
    members = {"attention": [finding("high", text)], "resources": [resource(resource_name, note=text)], "lease": text}
    made = page([row(name, app_name=app or "shop", protection=[text], **members)], FACTS)
    # No element and no attribute came of it; a plot may have a bar more.
    assert elements(made) == elements(plain)
    assert [sorted(attributes) for _, attributes in Page(made).elements] == [
        sorted(attributes) for _, attributes in Page(plain).elements
    ]
    (written,) = [attributes for attributes in Page(made).all("meta") if "http-equiv" in attributes]
    assert written["http-equiv"] == "Content-Security-Policy"


def test_the_page_loads_nothing_and_its_policy_lets_it_run_its_own_script_alone() -> None:
    text = page([row(attention=[finding("high")])], FACTS)
    made = Page(text)
    for tag, attributes in made.elements:
        assert {"src", "href", "style", "srcset", "action"}.isdisjoint(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert {"link", "img", "iframe", "object", "embed", "base"}.isdisjoint(elements(text))
    policy = next(str(one["content"]) for one in made.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_the_table_has_a_row_for_each_and_a_button_to_sort_by_each_column() -> None:
    made = Page(page([row("dev"), row("staging"), row("", kind="region", app_id="")], FACTS))
    assert len(made.all("tr")) == 1 + 3
    assert len(made.all("button")) == len(SHOWN)
    assert {"dev", "staging"} <= set(made.texts)


def test_what_needs_attention_first_is_listed_before_the_plots_and_the_table() -> None:
    text = page(
        [row("dev", attention=[finding("high", "a stuck job")]), row("old", attention=[finding("low", "old")])], FACTS
    )
    listed = text[text.index('<ul class="first">') : text.index('<div class="plots">')]
    assert "a stuck job" in listed
    assert "old" not in listed
    assert "Nothing needs attention." in page([row()], FACTS)


def test_counts_and_ages_are_plots_with_their_numbers_in_words() -> None:
    text = page([row("a", age_days=0.5), row("b", age_days=400.0), row("c", age_days=None, health="stuck")], FACTS)
    assert text.count('<svg viewBox="') == 6
    assert "Health. ok: 2, stuck: 1" in text
    assert "under a day: 1" in text
    assert f"{OLDER}: 1, unknown: 1" in text


@pytest.mark.parametrize(
    ("days", "label"), [(0, "under a day"), (1, "under a week"), (364.9, "under a year"), (365, OLDER)]
)
def test_an_age_is_in_one_group(days: float, label: str) -> None:
    bars = ages([{"age_days": days}], "age_days")
    assert [bar.label for bar in bars if bar.value] == [label]
    assert len(bars) == len(AGES) + 1


def test_an_empty_fleet_has_a_page_too() -> None:
    made = Page(page([], FACTS))
    assert len(made.all("tr")) == 1
    assert "Nothing needs attention." in made.texts
