"""The page in a real browser: it loads nothing, its plots are drawn, its table sorts and filters.

Needs a Chromium on the PATH, and Playwright for Python, which the environments of `make test-matrix` do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.fleet.report import page
from tests.browser import needs_browser, running_browser
from tests.fleet.made import finding, resource, row

pytestmark = needs_browser

ATTACK = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
ROWS = [
    row("stuck", attention=[finding("high", "a stuck job")], health="stuck", age_days=90.0),
    row(ATTACK, attention=[finding("low", ATTACK)], age_days=9.0, resources=[resource(ATTACK)]),
    row("young", age_days=1.5),
    row("nameless", age_days=None),
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[str], list[str]]]:
    """The page, what the browser asked for, and what it complained of."""
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(page(ROWS, {"taken_at": "now", "requests": 1, "seconds": 1}), encoding="utf-8")
    with running_browser() as browser:
        opened = browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(file.as_uri())
        yield opened, asked, complaints


def column(opened: Any, heading: str) -> list[str]:
    index = opened.locator("th").all_inner_texts().index(heading)
    texts: list[str] = opened.locator(f"table.fleet tbody tr:visible td:nth-child({index + 1})").all_inner_texts()
    return texts


def test_the_browser_loads_the_page_alone_and_complains_of_nothing(shown: Any) -> None:
    opened, asked, complaints = shown
    assert len(asked) == 1
    assert complaints == []
    assert opened.title() == "Amplify backend environments"
    assert opened.locator("img").count() == 0


def test_the_plots_are_drawn(shown: Any) -> None:
    opened, _, _ = shown
    assert opened.locator("svg.plot").count() == 6
    box = opened.locator("rect.bar.bad").first.bounding_box()
    assert box["width"] > 0
    assert box["height"] > 0


def test_a_click_on_a_heading_sorts_and_what_is_unknown_stays_last(shown: Any) -> None:
    opened, _, _ = shown
    button = opened.get_by_role("button", name="Age (days)")
    button.click()
    assert column(opened, "Age (days)") == ["1.5", "9.0", "90.0", ""]
    button.click()
    assert column(opened, "Age (days)") == ["90.0", "9.0", "1.5", ""]
    opened.get_by_role("button", name="Attention").click()
    assert column(opened, "Environment")[0] == "stuck"


def test_the_filter_leaves_the_rows_that_have_all_words(shown: Any) -> None:
    opened, _, _ = shown
    opened.locator("#filter").fill("shop YOUNG")
    assert column(opened, "Environment") == ["young"]
    assert opened.locator("#shown").inner_text() == "1 of 4 rows"
    opened.locator("#filter").fill("")
    assert len(column(opened, "Environment")) == 4
