"""Airflow's UI in a real browser, on a real Airflow: the page, the tab, the links, and what is not to be seen.

Its screenshots are those of docs/ui.md: `make screenshots` has them written there (SCREENSHOTS names the folder).
Needs a Chromium on the PATH, and Playwright for Python.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.plugins._markup import environment_addresses
from tests.browser import needs_browser, running_browser
from tests.system.engine import RunningAirflow
from tests.system.quiet import Quiet

pytestmark = [pytest.mark.system, needs_browser]

DAY = 86400
APP, SECRET = "d1example", "hush-hush-google-1"  # as in the DAG file
FAILURE = "Resource handler returned message: The maximum number of user pools is reached"
SIZE = {"width": 1280, "height": 720}
PATIENCE = 30_000
POLICY = "Content Security Policy"


def took(seconds: int) -> dict[str, str]:
    """The times of a job of yesterday."""
    created = int(time.time() - DAY) * 1000
    return {"CreateTime": str(created), "UpdateTime": str(created + seconds * 1000)}


@pytest.fixture(scope="module")
def airflow(quiet: Quiet) -> RunningAirflow:
    running = quiet.give(["fleet", "environments", "fails"], job_seconds=3600)
    quiet.service.control.seed(
        apps=[
            {
                "app_id": APP,
                "app_name": "shop",
                "environments": [
                    {"name": "staging", "age_seconds": 90 * DAY, "api": {"shop": None}, "storage": {"files": None}},
                    {"name": "production", "age_seconds": 400 * DAY, "auth": {"people": None}},
                    {"name": "qa", "age_seconds": 20 * DAY, "api": {"shop": None}},
                    {"name": "dev", "age_seconds": 3 * DAY, "api": {"shop": None}},
                ],
                "jobs": [
                    {"environment": "qa", "status": "FAILED", "error": SECRET, "age_seconds": 2 * DAY},
                    {"environment": "dev", "operation": "UpdateBackendAPI", "row": took(230)},
                    {
                        "environment": "dev",
                        "operation": "UpdateBackendAPI",
                        "status": "RUNNING",
                        "age_seconds": 400,
                    },
                ],
            },
            {
                "app_id": "d2blog",
                "app_name": "<b>blog</b>",
                "environments": [{"name": "old", "age_seconds": 300 * DAY}],
            },
        ]
    )
    return running


@pytest.fixture(scope="module")
def service(airflow: RunningAirflow, quiet: Quiet) -> LocalAmplifyBackend:
    return quiet.service


@pytest.fixture(scope="module")
def waiting(airflow: RunningAirflow) -> str:
    """A run whose tasks wait in the triggerer."""
    run_id = airflow.trigger("environments", run_id="manual__2026-11-29T12:00:00+00:00")
    airflow.wait_task("environments", run_id, "clone", ["deferred"], timeout=120)
    for index in (0, 1):
        airflow.wait_task("environments", run_id, "clone_each", ["deferred"], timeout=120, map_index=index)
    return run_id


@pytest.fixture(scope="module")
def failed(airflow: RunningAirflow, service: LocalAmplifyBackend, waiting: str) -> str:
    """A run whose task has failed in the triggerer, with a text of the service."""
    service.control.add_fault("CreateBackendAuth", kind="job_fails", error=FAILURE)
    service.control.set(job_seconds=3)
    run_id = airflow.trigger("fails")
    assert airflow.wait_run("fails", run_id, 180) == "failed"
    service.control.set(job_seconds=3600)
    return run_id


@pytest.fixture(scope="module")
def fleet(airflow: RunningAirflow, failed: str, waiting: str) -> str:
    """A run of the inventory, after everything else."""
    run_id = airflow.trigger("fleet")
    assert airflow.wait_run("fleet", run_id, 180) == "success"
    return run_id


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as started:
        yield started


@pytest.fixture
def opened(browser: Any, airflow: RunningAirflow) -> Iterator[Any]:
    """A page of the browser, with what it complains of about our own pages."""
    context = browser.new_context(base_url=airflow.api_url, viewport=SIZE, color_scheme="light", locale="en-US")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.complaints = []
    # What the page's policy has stopped; of Airflow's own frame Chromium says that its sandbox can be left.
    page.on("console", lambda message: page.complaints.append(message.text) if POLICY in message.text else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


@pytest.fixture
def keep(opened: Any) -> Callable[[str], None]:
    """Takes a screenshot for the documentation, where one is wanted."""
    folder = os.environ.get("SCREENSHOTS")

    def shoot(name: str) -> None:
        if folder:
            opened.screenshot(path=f"{folder}/{name}.png")

    return shoot


def tab_of(dag_id: str, run_id: str, task_id: str, map_index: int = -1, tab: str = "plugin/amplify-job") -> str:
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    return f"/dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}/{tab}"


def frame(opened: Any) -> Any:
    return opened.frame_locator("iframe[src*='amplifybackend'], iframe")


def in_view(opened: Any, locator: Any) -> bool:
    box = locator.bounding_box()
    return bool(box and box["y"] >= 0 and box["y"] + box["height"] <= SIZE["height"])


def test_the_page_is_in_the_navigation_and_shows_the_fleet(
    opened: Any, fleet: str, keep: Callable[[str], None]
) -> None:
    opened.goto("/")
    opened.get_by_role("button", name="Browse").click()
    opened.get_by_role("menuitem", name="Amplify backends").click()
    inside = frame(opened)
    inside.get_by_role("heading", name="Amplify backends").wait_for()
    body = inside.locator("body").inner_text()
    assert re.search(r"UpdateBackendAPI RUNNING for \d+ min \d+ s, longer than usual, which is 3 min 50 s", body), body
    assert "shop / dev" in body
    assert "'production' of [amplifybackend] protected" in body
    assert "<b>blog</b>" in body
    assert inside.locator("b").count() == 0
    assert SECRET not in inside.locator("html").inner_html()
    assert "environments / clone" in body
    assert "deferred" in body
    assert opened.complaints == []
    keep("ui-fleet")


def test_a_link_of_the_page_opens_out_of_the_frame(opened: Any, fleet: str) -> None:
    opened.goto("/plugin/amplify-backends")
    inside = frame(opened)
    opened.context.route("https://*.amazon.com/**", lambda route: route.fulfill(body="the console"))
    with opened.context.expect_page() as other:
        inside.get_by_role("link", name="Amplify console").first.click()
    assert other.value.url.startswith("https://us-east-1.console.aws.amazon.com/amplify/home?region=us-east-1#/d")
    assert other.value.evaluate("window.opener") is None
    inside.get_by_role("link", name="environments / clone", exact=True).first.click()
    opened.wait_for_url("**/dags/environments/runs/**/tasks/clone*")


def test_the_table_sorts_and_filters_in_the_frame(opened: Any, fleet: str) -> None:
    opened.goto("/plugin/amplify-backends")
    inside = frame(opened)
    inside.locator("#filter").fill("production")
    rows = inside.locator("table.fleet tbody tr:visible")
    assert rows.count() == 1
    assert "production" in rows.first.inner_text()


def test_the_tab_of_a_deferred_task_shows_its_job(opened: Any, waiting: str, keep: Callable[[str], None]) -> None:
    opened.goto(tab_of("environments", waiting, "clone"))
    headline = frame(opened).get_by_role("heading", name="CloneBackend, environment preview")
    headline.wait_for()
    assert "RUNNING for" in headline.inner_text()
    body = frame(opened).locator("body").inner_text()
    assert "started by this task" in body
    assert "Waits until" in body
    assert in_view(opened, headline)
    keep("ui-job-deferred")


def test_the_tab_of_a_mapped_task_shows_the_job_of_its_environment(opened: Any, waiting: str) -> None:
    opened.goto(tab_of("environments", waiting, "clone_each", 1))
    frame(opened).get_by_role("heading", name="environment tenant-b").wait_for()


def test_a_mapped_task_shows_environments_and_no_indexes(opened: Any, waiting: str) -> None:
    opened.goto(f"/dags/environments/runs/{waiting}/tasks/clone_each/mapped")
    for name in ("tenant-a", "tenant-b"):
        opened.get_by_text(name).first.wait_for()
    headings = [text.strip().lower() for text in opened.get_by_role("columnheader").all_inner_texts()]
    column = headings.index("map index")
    rows = opened.locator("tbody tr").all()
    assert sorted(row.locator("td").nth(column).inner_text() for row in rows) == ["tenant-a", "tenant-b"]


def test_a_failed_task_shows_its_headline_without_scrolling(
    opened: Any, failed: str, keep: Callable[[str], None]
) -> None:
    opened.goto(tab_of("fails", failed, "add_auth"))
    headline = frame(opened).get_by_role(
        "heading", name=re.compile("FAILED after .+: CreateBackendAuth, environment qa")
    )
    headline.wait_for()
    service_text = frame(opened).get_by_text(FAILURE).first
    assert in_view(opened, headline)
    assert in_view(opened, service_text)
    keep("ui-job-failed")


def test_the_log_of_a_failed_task_says_so_too(opened: Any, failed: str) -> None:
    opened.goto(f"/dags/fails/runs/{failed}/tasks/add_auth")
    opened.get_by_text("CreateBackendAuth, environment qa").first.wait_for()


def test_the_links_are_there_while_a_task_is_deferred(opened: Any, waiting: str) -> None:
    opened.goto(tab_of("environments", waiting, "clone", tab="details"))
    addresses = environment_addresses("us-east-1", APP, "preview")
    assert set(addresses) == {"Amplify console", "Amplify Studio"}
    for name, address in addresses.items():
        link = opened.get_by_role("link", name=name).first
        link.wait_for()
        assert link.get_attribute("href") == address


def test_a_secret_is_masked_in_the_rendered_fields(opened: Any, failed: str) -> None:
    opened.goto(tab_of("fails", failed, "add_auth", tab="rendered_templates"))
    opened.get_by_text("SocialProviderSettings").first.wait_for()
    shown = opened.locator("body").inner_text()
    assert "an-id" in shown
    assert "***" in shown
    assert SECRET not in opened.content()
