"""The page at `/` in a real browser: it is live, hostile names stay text, and it asks nobody but the service.

Needs a Chromium on the PATH, and Playwright for Python, which the environments of `make test-matrix` do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.browser import needs_browser, running_browser

pytestmark = needs_browser

ATTACK = "</script><img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
PATIENCE = 30_000  # milliseconds, for a machine that is busy


@pytest.fixture
def service() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(job_seconds=3600) as running:
        yield running


@pytest.fixture
def opened(service: LocalAmplifyBackend) -> Iterator[Any]:
    """The page, with what the browser asked for and complained of as `asked` and `complaints`."""
    with running_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{service.endpoint_url}/")
        yield page


def shown(opened: Any, table: str, text: str) -> Any:
    """Wait until a row of a table has this text, and return the row."""
    found = opened.locator(f"#{table} tr", has_text=text).first
    found.wait_for()
    return found


def test_what_happens_in_the_service_appears_without_a_reload(service: LocalAmplifyBackend, opened: Any) -> None:
    shown(opened, "apps", "No app yet")
    service.control.seed_app("d1shop", {"name": "staging", "auth": {"people": None}, "locked": True})
    row = shown(opened, "apps", "staging")
    assert row.locator("td").all_inner_texts()[2] == "people"
    assert "locked by a migration" in row.inner_text()
    service.client().clone_backend(
        AppId="d1shop", BackendEnvironmentName="staging", TargetEnvironmentName="copy"
    )  # fmt: skip
    job = shown(opened, "jobs", "CloneBackend")
    assert job.locator("progress").count() == 1
    assert "staging → copy" in shown(opened, "journal", "CloneBackend").inner_text()
    service.control.advance(3600)
    shown(opened, "jobs", "COMPLETED")
    service.control.add_fault("GetBackend", kind="throttle", times=5)
    shown(opened, "faults", "throttle")
    assert all(url.startswith(f"{service.endpoint_url}/") for url in opened.asked if not url.startswith("data:"))
    assert opened.complaints == []


def test_a_hostile_name_is_only_text(service: LocalAmplifyBackend, opened: Any) -> None:
    service.control.seed_app(ATTACK, {"name": ATTACK, "auth": {ATTACK: None}}, app_name=ATTACK)
    service.control.seed_app(ATTACK, jobs=[{"environment": ATTACK, "status": "FAILED", "error": ATTACK}])
    service.client().get_backend(AppId=ATTACK)
    service.control.add_fault("GetBackend", kind="error", app_id=ATTACK, code="<b>x</b>", message=ATTACK)
    for table in ("apps", "jobs", "faults", "journal"):
        shown(opened, table, "<img src=x")
    assert opened.title() == "Local AmplifyBackend"
    assert opened.locator("img").count() == 0
    assert opened.complaints == []


def test_a_reset_empties_it_and_an_end_is_said(service: LocalAmplifyBackend, opened: Any) -> None:
    service.control.seed_app("d1shop", "staging")
    service.client().get_backend(AppId="d1shop")
    shown(opened, "journal", "GetBackend")
    service.control.reset()
    shown(opened, "journal", "No request yet")
    shown(opened, "apps", "No app yet")
    service.stop()
    opened.locator("#summary.lost").wait_for()
