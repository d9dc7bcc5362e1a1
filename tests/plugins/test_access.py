"""Who may read the pages: Airflow protects no application of a plugin, so each page has to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.plugins._database import Readable
from airflow_provider_amplifybackend.plugins.amplify_backends import AmplifyBackendsPlugin
from tests.dag_run import DagRunner
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


@contextmanager
def owned_by_team(dag_id: str, team: str) -> Iterator[None]:
    """Have a team own the bundle of a DAG, and so the DAG."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.team import Team
    from airflow.utils.session import create_session
    from sqlalchemy import update

    def set_bundle(name: str) -> None:
        session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(bundle_name=name))

    with create_session() as session:
        before = session.get_one(DagModel, dag_id).bundle_name
        bundle: Any = DagBundleModel(name=f"bundle-of-{team}")
        bundle.teams = [Team(name=team)]
        session.add(bundle)
        session.flush()
        set_bundle(bundle.name)
    try:
        yield
    finally:
        with create_session() as session:
            set_bundle(before)
            stored: Any = session.get_one(DagBundleModel, f"bundle-of-{team}")
            for one in list(stored.teams):
                session.delete(one)
            session.delete(stored)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("team", "may_read"), [("web", True), ("api", False)])
def test_the_auth_manager_is_asked_about_a_dag_with_its_team_as_airflow_asks_it(
    dags: DagRunner, monkeypatch: pytest.MonkeyPatch, team: str, may_read: bool
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    def only_web(*, details: Any, **_: Any) -> bool:
        return bool(details.team_name == "web")

    dag_id = dags.run('GetBackendOperator(task_id="get", app_id=APP)').dag_id
    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", only_web)
    readable = Readable(get_auth_manager(), None, frozenset({dag_id}))
    with owned_by_team(dag_id, team):
        assert readable.with_access([dag_id], "TASK_INSTANCE", "XCOM") == ({dag_id} if may_read else set())


@pytest.mark.usefixtures("airflow_home")
@pytest.mark.parametrize(("forbidden", "most_asked"), [(set(), 1), ({"b"}, 4), ({"a", "b", "c"}, 4)])
def test_who_may_read_all_is_asked_about_once_and_otherwise_each_dag_counts_for_itself(
    forbidden: set[str], most_asked: int
) -> None:
    """An auth manager may ask over the network, as that of the amazon provider does."""
    asked: list[Any] = []

    def batch_is_authorized_dag(requests: Sequence[Any], *, user: Any) -> bool:
        asked.append((user, requests))
        return not any(
            request["details"].id in forbidden and request["access_entity"].name == "XCOM" for request in requests
        )

    manager = SimpleNamespace(batch_is_authorized_dag=batch_is_authorized_dag)
    readable = Readable(manager, "ann", frozenset("abc"))
    assert readable.with_access("abcabc", "TASK_INSTANCE", "XCOM") == set("abc") - forbidden
    assert len(asked) <= most_asked
    assert {user for user, _ in asked} == {"ann"}
    assert {request["method"] for _, requests in asked for request in requests} == {"GET"}


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
