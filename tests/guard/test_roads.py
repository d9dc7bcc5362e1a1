"""Every road to a protected or locked environment ends before the service; with the guard off, each leads there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.dag_run import DagRunner
from tests.guard.conftest import TALLY
from tests.guard.roads import LOCK, ROADS, TOUCHING, Road, World
from tests.operators import requests_by_operation as requests
from tests.operators.requests_by_operation import APPS, shared_botocore_data  # noqa: F401

pytestmark = pytest.mark.guard
every_road = pytest.mark.parametrize("road", ROADS, ids=[road.name for road in ROADS])
locked_roads = [road for road in ROADS if road.operation in TOUCHING]


def protect(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "*")


def lock(service: LocalAmplifyBackend) -> None:
    """Lock every environment of every app, as a migration does."""
    for app_id, environments in _environments(service).items():
        names = [{"name": name, "stack_policy": LOCK} for name in environments]
        service.control.seed(apps=[{"app_id": app_id, "environments": names}])


def _environments(service: LocalAmplifyBackend) -> dict[str, list[str]]:
    client = service.client()
    return {app_id: client.get_backend(AppId=app_id)["BackendEnvironmentList"] for app_id in APPS.values()}


@pytest.fixture(autouse=True)
def another_connection(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ANOTHER", connection_json(service.endpoint_url))


def walk(
    road: Road, service: LocalAmplifyBackend, dags: DagRunner, close: Callable[[], None] = lambda: None
) -> tuple[list[str], list[str]]:
    """Walk a road, and return what reached the service before and after it was closed."""
    service.control.set(job_seconds=0.1)
    requests.seed(service)
    before: list[str] = []

    def close_now() -> None:
        close()
        before.extend(world.changes())
        service.control.clear_journal()

    world = World(service, dags, requests.real_ids(service), close_now)
    service.control.clear_journal()
    if not road.is_closed_late:
        close()
        service.control.clear_journal()
    road.walk(world)
    return before, world.changes()


@every_road
def test_no_road_leads_to_a_protected_environment(
    road: Road, service: LocalAmplifyBackend, dags: DagRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, reached = walk(road, service, dags, protect(monkeypatch))
    TALLY.closed(road, reached)
    assert reached == []


@pytest.mark.parametrize("road", locked_roads, ids=[road.name for road in locked_roads])
def test_no_road_leads_to_a_locked_environment(road: Road, service: LocalAmplifyBackend, dags: DagRunner) -> None:
    _, reached = walk(road, service, dags, lambda: lock(service))
    TALLY.closed(road, reached)
    assert reached == []


@every_road
def test_with_the_guard_off_every_road_leads_there(
    road: Road, service: LocalAmplifyBackend, dags: DagRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", "off")
    before, reached = walk(road, service, dags)
    TALLY.open(road, reached)
    assert reached or before, f"{road.name} leads nowhere: it proves nothing"
