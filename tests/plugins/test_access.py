"""Who may read the pages: Airflow protects no application of a plugin, so each page has to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_amplifybackend.plugins.amplify_backends import AmplifyBackendsPlugin
from tests.plugins.conftest import bearer

JOB = "/job/a_dag?run_id=a_run&task_id=a_task&map_index=-1"
PAGES = ["/fleet", JOB]


def test_every_page_is_tried_here() -> None:
    from airflow_provider_amplifybackend.plugins._application import make_application

    paths = [route.path for route in make_application().routes]
    assert sorted(path.partition("{")[0] for path in paths) == sorted(page.partition("a_dag")[0] for page in PAGES)


def test_the_tab_of_a_dag_that_the_user_may_not_read_is_not_shown(
    get: Callable[..., Any], only_dags: Callable[[set[str]], None]
) -> None:
    only_dags({"another_dag"})
    assert get(JOB).status_code == 403
    # A name of another DAG beside it opens nothing.
    assert get(f"{JOB}&dag_id=another_dag").status_code == 403
    assert get(JOB.replace("a_dag", "another_dag")).status_code == 200


@pytest.mark.parametrize("entity", ["TASK_INSTANCE", "XCOM"])
def test_the_tab_needs_the_right_to_read_task_instances_and_xcoms(
    get: Callable[..., Any], entity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    def all_but_one(*, access_entity: Any = None, **_: Any) -> bool:
        return access_entity is None or access_entity.name != entity

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", all_but_one)
    assert get(JOB).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_nobody_who_has_not_logged_in_reads_a_page(get: Callable[..., Any], path: str) -> None:
    answer = get(path, role="")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("path", PAGES)
def test_a_user_who_may_read_no_dag_reads_no_page(get: Callable[..., Any], path: str) -> None:
    answer = get(path, role=None)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "Forbidden"}


@pytest.mark.parametrize("path", PAGES)
def test_a_token_that_airflow_has_not_made_opens_no_page(api: Any, path: str) -> None:
    for token in ("", "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJyb2xlIjoiYWRtaW4ifQ."):
        answer = api.get(f"/amplifybackend{path}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in (401, 403), answer.text


@pytest.mark.parametrize("path", PAGES)
def test_who_may_read_dags_reads_the_page(get: Callable[..., Any], path: str) -> None:
    assert get(path, role="viewer").status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_that_has_logged_in_shows_its_cookie(api: Any, path: str) -> None:
    def status(role: str | None) -> int:
        token = bearer(role)["Authorization"].removeprefix("Bearer ")
        return int(api.get(f"/amplifybackend{path}", headers={"Cookie": f"_token={token}"}).status_code)

    assert status("viewer") == 200
    assert status(None) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_only_be_read(get: Callable[..., Any], path: str, method: str) -> None:
    assert get(path, role="admin", method=method).status_code == 405


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/fleet/", "/job", "/job/", "/nothing"])
def test_there_is_nothing_but_the_pages(get: Callable[..., Any], path: str) -> None:
    assert get(path, role="admin").status_code in (307, 404)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_is_not_stored_and_is_framed_by_airflow_alone(get: Callable[..., Any], path: str) -> None:
    answer = get(path)
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["form-action"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_airflow_takes_the_plugin() -> None:
    import airflow.plugins_manager

    assert vars(airflow.plugins_manager)["is_valid_plugin"](AmplifyBackendsPlugin)
    routes = [view["url_route"] for view in AmplifyBackendsPlugin.external_views]
    assert len(set(routes)) == len(routes) > 0
