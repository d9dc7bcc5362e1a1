"""The tasks around a leased environment, one at a time: tries, clears, tags shown late, names that are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.exceptions import BackendLeaseError
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState, candidates, parse
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.lease import ExtendLeaseOperator
from airflow_provider_amplifybackend.task_groups._lease_tasks import AwaitRoomOperator, ReserveEnvironmentOperator
from tests.airflow_versions import execute
from tests.samples import APP

ARN = f"arn:aws:amplify:us-east-1:123456789012:apps/{APP}"
ME = Holder("nightly", "run", "preview")
FIRST, SECOND = (name for name, _ in zip(candidates(ME, "previ"), range(2), strict=False))
TTL, WAIT = timedelta(hours=6), timedelta(hours=12)


@pytest.fixture(autouse=True)
def short_lag(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__TAG_LAG", "0.5")
    with timing.replaced(between_checks=0.01):
        yield


class Task(SimpleNamespace):
    """A task instance that keeps what is pushed."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def context(holder: Holder = ME) -> Any:
    ti = Task(dag_id=holder.dag_id, run_id=holder.run_id, map_index=holder.map_index, try_number=1, pushed={})
    return {"ti": ti}


def reserve(*, limited: bool = False, holder: Holder = ME) -> tuple[str, dict[str, Any]]:
    """Return the name, and what else the task has pushed."""
    operator = ReserveEnvironmentOperator(
        task_id="reserve",
        app_id=APP,
        lease_group=holder.group_id,
        prefix="previ",
        ttl=TTL,
        limit_timeout=WAIT if limited else None,
    )
    around = context(holder)
    return execute(operator, around), around["ti"].pushed


def await_room(name: str, since: str, **changes: Any) -> None:
    options: dict[str, Any] = {"max_concurrent": 1, "timeout": WAIT, "poll_interval": 0.1, "deferrable": False}
    operator = AwaitRoomOperator(
        task_id="limit",
        app_id=APP,
        lease_group=ME.group_id,
        backend_environment_name=name,
        since=since,
        ttl=TTL,
        **options | changes,
    )
    execute(operator, context())


def tags(service: LocalAmplifyBackend) -> dict[str, str]:
    found: dict[str, str] = service.client("amplify").get_app(appId=APP)["app"]["tags"]
    return found


def leases(service: LocalAmplifyBackend) -> dict[str, Lease]:
    found = [parse(key, value) for key, value in tags(service).items()]
    return {lease.environment: lease for lease in found}


def write(service: LocalAmplifyBackend, lease: Lease) -> None:
    service.client("amplify").tag_resource(resourceArn=ARN, tags={lease.key: lease.value})


def held(name: str = FIRST, holder: Holder = ME, *, ago: timedelta = timedelta(hours=1)) -> Lease:
    since = datetime.now(UTC).replace(microsecond=0) - ago
    return Lease.of(holder, name, state=LeaseState.HELD, since=since, until=since + TTL)


def test_each_try_reserves_the_same_name(service: LocalAmplifyBackend) -> None:
    for _ in range(3):
        name, pushed = reserve()
        assert name == FIRST
        assert pushed["if_exists"] == "fail"
        assert datetime.fromisoformat(pushed["since"]) == leases(service)[FIRST].since
    lease = leases(service)[FIRST]
    assert lease.state is LeaseState.HELD
    assert lease.until - lease.since >= TTL


def test_runs_groups_and_map_indexes_have_names_of_their_own(service: LocalAmplifyBackend) -> None:
    holders = [
        ME,
        replace(ME, map_index=0),
        replace(ME, map_index=1),
        replace(ME, run_id="b"),
        replace(ME, group_id="x"),
    ]
    assert len({reserve(holder=holder)[0] for holder in holders}) == len(holders) == len(tags(service))


def test_a_ticket_lasts_for_the_wait_and_for_the_environment(service: LocalAmplifyBackend) -> None:
    reserve(limited=True)
    lease = leases(service)[FIRST]
    assert (lease.state, lease.until - lease.since) == (LeaseState.WAITING, WAIT + TTL)


@pytest.mark.parametrize("how", ["exists", "is leased to another run"])
def test_a_name_that_somebody_has_is_not_taken(service: LocalAmplifyBackend, how: str) -> None:
    if how == "exists":
        service.control.seed_app(APP, FIRST)
    else:
        write(service, held(holder=replace(ME, run_id="another")))
    assert reserve()[0] == SECOND


def test_after_a_clear_the_environment_of_the_run_is_used_again(service: LocalAmplifyBackend) -> None:
    service.control.seed({"apps": [{"app_id": APP, "environments": [{"name": FIRST, "age_seconds": 60}]}]})
    kept = replace(held(), state=LeaseState.KEPT)
    write(service, kept)
    name, pushed = reserve(limited=True)
    assert (name, pushed["if_exists"]) == (FIRST, "skip")
    lease = leases(service)[FIRST]
    assert (lease.state, lease.since) == (LeaseState.HELD, kept.since)
    assert lease.until > kept.until
    # It has its place, whoever is ahead.
    write(service, held("other", replace(ME, run_id="another")))
    await_room(name, pushed["since"])


def test_an_environment_that_is_older_than_the_lease_is_somebody_elses(service: LocalAmplifyBackend) -> None:
    service.control.seed({"apps": [{"app_id": APP, "environments": [{"name": FIRST, "age_seconds": 7200}]}]})
    write(service, held())
    assert reserve()[0] == SECOND
    assert leases(service).keys() == {SECOND}


def test_a_lease_that_was_just_given_back_is_none_although_it_is_still_shown(service: LocalAmplifyBackend) -> None:
    """Otherwise a run that was cleared would keep a place that others have taken since."""
    write(service, held())
    service.control.set(tag_lag_seconds=0.5)
    service.client("amplify").untag_resource(resourceArn=ARN, tagKeys=[held().key])
    reserve(limited=True)
    assert leases(service)[FIRST].state is LeaseState.WAITING


def test_a_place_whose_environment_is_on_its_way_is_kept(service: LocalAmplifyBackend) -> None:
    write(service, held())
    reserve(limited=True)
    assert leases(service)[FIRST].state is LeaseState.HELD


def test_a_lease_that_is_not_shown_yet_is_waited_for_before_another_name_is_taken(
    service: LocalAmplifyBackend,
) -> None:
    service.control.seed({"apps": [{"app_id": APP, "environments": [FIRST]}]})
    service.control.set(tag_lag_seconds=0.5)
    write(service, held(ago=timedelta(minutes=1)))
    name, pushed = reserve()
    assert (name, pushed["if_exists"]) == (FIRST, "skip")


def test_a_ticket_that_was_written_late_is_taken_anew(service: LocalAmplifyBackend) -> None:
    service.control.add_fault("TagResource", kind="delay", seconds=1.1, times=1)
    reserve(limited=True)
    written = [entry["parameters"]["tags"] for entry in service.control.journal("TagResource")]
    sinces = [parse(*next(iter(tags.items()))).since for tags in written]
    assert len(sinces) == 2
    assert sinces[0] < sinces[1] == leases(service)[FIRST].since


def test_writes_that_are_always_late_are_an_error(service: LocalAmplifyBackend) -> None:
    service.control.add_fault("TagResource", kind="delay", seconds=1.1)
    with pytest.raises(BackendLeaseError, match=r"each of 5 writes took more than \[amplifybackend\] tag_lag") as error:
        reserve(limited=True)
    assert error.value.reason is LeaseFailure.TAGS


def test_a_ticket_that_was_removed_is_written_again_at_the_end_of_the_queue(service: LocalAmplifyBackend) -> None:
    name, pushed = reserve(limited=True)
    service.client("amplify").untag_resource(resourceArn=ARN, tagKeys=[f"amplifybackend:lease:{name}"])
    await_room(name, pushed["since"])
    lease = leases(service)[name]
    assert lease.state is LeaseState.HELD
    assert lease.since.isoformat() > pushed["since"]


def test_whoever_extends_has_its_place_although_its_tag_is_shown_late(service: LocalAmplifyBackend) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    write(service, Lease.of(ME, FIRST, state=LeaseState.WAITING, since=now, until=now))
    operator = ExtendLeaseOperator(task_id="extend", app_id=APP, backend_environment_name=FIRST, ttl="2d")
    execute(operator, context())
    lease = leases(service)[FIRST]
    assert (lease.state, lease.since) == (LeaseState.HELD, now)
    assert lease.until - now >= timedelta(days=2)
    shorter = ExtendLeaseOperator(task_id="shorter", app_id=APP, backend_environment_name=FIRST, ttl="1h")
    execute(shorter, context())
    assert leases(service)[FIRST] == lease
