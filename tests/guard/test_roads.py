"""Every road to a protected or locked environment ends before the service; with the guard off, each leads there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.dag_run import DagRunner
from tests.guard.conftest import CLOSED, OPEN
from tests.guard.odd_roads import PLAIN, odd_roads
from tests.guard.roads import LOCK, TOUCHING, Road, World, roads_of_operations, special_roads
from tests.operators import requests_by_operation as requests
from tests.operators.requests_by_operation import APPS, shared_botocore_data  # noqa: F401

pytestmark = pytest.mark.guard
# Where a road leads, if that is not the operation whose rules it is under.
DESTINATIONS = {
    "all environments of the app": "RemoveAllBackends",
    "the app as well": "RemoveAllBackends",
    "a read that a handler turns into a deletion of all environments": "RemoveAllBackends",
}
ROADS = [*roads_of_operations(), *special_roads(), *odd_roads()]
every_road = pytest.mark.parametrize("road", ROADS, ids=[road.name for road in ROADS])
locked_roads = [road for road in ROADS if road.operation in TOUCHING and road.closed_by is None]


def protect(world: World) -> None:
    world.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "*")


def lock(world: World, operation: str) -> None:
    """Lock every environment of every app, as a migration does: its stack, and for what concerns the app, its app."""
    is_of_app = OPERATIONS[operation].environment is None and OPERATIONS[operation].resource != "app"
    sign: dict[str, Any] = {"locked": True} if is_of_app else {"stack_policy": LOCK}
    for app_id, environments in _environments(world.service).items():
        names = [{"name": name, **sign} for name in environments]
        world.service.control.seed(apps=[{"app_id": app_id, "environments": names}])


def _environments(service: LocalAmplifyBackend) -> dict[str, list[str]]:
    client = service.client()
    return {app_id: client.get_backend(AppId=app_id)["BackendEnvironmentList"] for app_id in APPS.values()}


@pytest.fixture(autouse=True)
def another_connection(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANOTHER", PLAIN.upper()):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", connection_json(service.endpoint_url))


Walk = Callable[..., list[str]]
Record = Callable[[str, object], None]


@pytest.fixture
def walk(service: LocalAmplifyBackend, dags: DagRunner, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """Walks a road, and returns what reached the service once the road was closed."""
    service.control.set(job_seconds=0.1)
    requests.seed(service)
    ids = requests.real_ids(service)

    def make(road: Road, close: Callable[[World], None] = lambda world: None) -> list[str]:
        def close_now() -> None:
            close(world)
            service.control.clear_journal()

        world = World(service, dags, ids, close_now, monkeypatch.setenv)
        if not road.is_closed_late:
            close(world)
        service.control.clear_journal()
        road.walk(world)
        return world.changes()

    return make


@every_road
def test_no_road_leads_to_a_protected_environment(road: Road, walk: Walk, record_property: Record) -> None:
    reached = walk(road, road.closed_by or protect)
    record_property(CLOSED, (road.name, len(reached)))
    assert reached == []


@pytest.mark.parametrize("road", locked_roads, ids=[road.name for road in locked_roads])
def test_no_road_leads_to_a_locked_environment(road: Road, walk: Walk, record_property: Record) -> None:
    reached = walk(road, lambda world: lock(world, road.operation))
    record_property(CLOSED, (road.name, len(reached)))
    assert reached == []


@every_road
def test_with_the_guard_off_every_road_leads_there(
    road: Road, walk: Walk, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", "off")
    reached = walk(road)
    record_property(OPEN, (road.name, len(reached)))
    assert DESTINATIONS.get(road.way, road.operation) in reached, f"{road.name} leads nowhere: it proves nothing"
