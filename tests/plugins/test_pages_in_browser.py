"""The pages in a real browser, in a frame as Airflow's: where clicks lead, and how cells are laid out.

Needs a Chromium on the PATH, and Playwright for Python, which the environments of `make test-matrix` do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_amplifybackend.plugins._database import TaskKey, Touch
from airflow_provider_amplifybackend.plugins._fleet_page import page
from airflow_provider_amplifybackend.plugins._sources import Fleet
from tests.browser import needs_browser, running_browser
from tests.fleet.made import NOW, finding, row

pytestmark = needs_browser

ROOT = "http://airflow.example/"
ADDRESS = "https://us-east-1.console.aws.amazon.com/amplify/home?region=us-east-1#/d1/YmFja2VuZA/production"
AROUND = '<iframe sandbox="allow-scripts allow-same-origin allow-forms" src="/amplifybackend/fleet"></iframe>'
AROUND = f"<!doctype html><style>iframe {{ width: 1200px; height: 650px }}</style>{AROUND}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as started:
        yield started


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """The page of backends in its frame; every other address is an empty page."""
    rows = [row("production", attention=[finding("medium", "something")])]
    touch = Touch(TaskKey("a_dag", "a_run", "clone", -1), NOW, "success")
    texts = {f"{ROOT}amplifybackend/fleet": page(Fleet(rows=rows, source="a file", taken_at=NOW), {ADDRESS: touch})}
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    texts[ROOT] = AROUND
    context.route("**/*", lambda route: route.fulfill(body=texts.get(route.request.url, ""), content_type="text/html"))
    shown = context.new_page()
    shown.goto(ROOT)
    yield shown
    context.close()


def link(opened: Any, name: str = "a_dag / clone") -> Any:
    return opened.frame_locator("iframe").get_by_role("link", name=name)


def test_a_click_leads_the_page_around_to_the_task(opened: Any) -> None:
    link(opened).click()
    opened.wait_for_url("**/dags/a_dag/runs/a_run/tasks/clone")


@pytest.mark.parametrize(
    "how", [{"modifiers": ["Control"]}, {"modifiers": ["Meta"]}, {"modifiers": ["Shift"]}, {"button": "middle"}]
)
def test_a_click_that_wants_a_tab_gets_one(opened: Any, how: dict[str, Any]) -> None:
    with opened.context.expect_page() as other:
        link(opened).click(**how)
    other.value.wait_for_url("**/dags/a_dag/runs/a_run/tasks/clone")
    assert opened.url == ROOT


def test_a_level_keeps_a_distance_to_what_follows_it(opened: Any) -> None:
    entry = opened.frame_locator("iframe").locator("ul.first li.medium")
    level, what = entry.locator(".level").bounding_box(), entry.locator("strong").bounding_box()
    assert what["x"] - (level["x"] + level["width"]) >= 4


def test_a_row_is_no_taller_than_its_two_links(opened: Any) -> None:
    line = opened.frame_locator("iframe").locator("table.fleet tbody tr").first
    assert line.bounding_box()["height"] < 70


def test_each_link_is_on_one_line(opened: Any) -> None:
    name = link(opened, "Amplify console")
    line = name.evaluate("element => parseFloat(getComputedStyle(element).lineHeight)")
    assert name.bounding_box()["height"] <= line * 1.2
