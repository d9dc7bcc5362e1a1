"""The state without HTTP: pure Python, for whatever wants to be exhaustive."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.local.service import clock as clock_module
from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.errors import AnsweredError
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.testing.journal import Journal
from airflow_provider_amplifybackend.local.testing.seed import seed
from tests.samples import storage

NAMES = st.sampled_from(["one", "two", "three"])
ENTRY: dict[str, Any] = {
    "time": 0.0, "account": "", "region": "", "operation": "GetBackend", "parameters": {},
    "status_code": 200, "error_code": None, "effective": True, "job_id": None, "faults": [],
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["create", "clone", "delete", "wait"]), NAMES, NAMES), max_size=25))
def test_no_environment_ever_has_two_unfinished_jobs(steps: list[tuple[str, str, str]]) -> None:
    service = Service()
    service.clock.freeze(True)
    service.call("CreateBackend", {"AppId": "d", "AppName": "a", "BackendEnvironmentName": "one"})
    for step, name, other in steps:
        with contextlib.suppress(AnsweredError):
            _perform(service, step, name, other)
        _assert_sound(service)
    service.clock.advance(60)
    service.settle()
    assert all(job.finished for job in service.store().jobs.all())
    assert not service.store().jobs.is_held("d", "one")


def _perform(service: Service, step: str, name: str, other: str) -> None:
    where = {"AppId": "d", "BackendEnvironmentName": name}
    if step == "create":
        service.call("CreateBackend", {**where, "AppName": "a"})
    elif step == "clone":
        service.call("CloneBackend", {**where, "TargetEnvironmentName": other})
    elif step == "delete":
        service.call("DeleteBackend", where)
    else:
        service.clock.advance(3)
        service.settle()


def _assert_sound(service: Service) -> None:
    unfinished = [job for job in service.store().jobs.all() if not job.finished]
    held = [name for job in unfinished for name in job.plan.holds]
    assert len(held) == len(set(held))
    environments: dict[str, Any] = service.store().apps["d"].environments
    for job in unfinished:
        assert job.plan.holds <= set(environments), "what a job holds is there until the job ends"
        assert job.plan.shares <= set(environments)


def test_what_a_caller_changes_afterwards_does_not_change_the_state() -> None:
    service = Service()
    where = {"AppId": "d", "BackendEnvironmentName": "one"}
    service.call("CreateBackend", {**where, "AppName": "a"})
    service.clock.advance(60)
    config = storage()
    named = {**where, "ResourceName": "files"}
    service.call("CreateBackendStorage", {**named, "ResourceConfig": config})
    service.clock.advance(60)
    service.call("GetBackendStorage", named)["ResourceConfig"]["Permissions"]["Authenticated"].append("DELETE")
    config["ServiceName"] = "other"
    found = service.call("GetBackendStorage", named)["ResourceConfig"]
    assert found["Permissions"] == {"Authenticated": ["READ"]}
    assert found["ServiceName"] == "S3"


def test_ids_follow_from_what_they_belong_to() -> None:
    assert Ids("a", "b").lower("pool", 9) == Ids("a", "b").lower("pool", 9)
    assert Ids("a", "b").lower("pool", 9) != Ids("a", "c").lower("pool", 9)
    assert Ids("a", "b").lower("pool", 9) != Ids("a", "b").lower("key", 9)
    assert len(Ids("a").mixed("pool", 30)) == 30


def test_a_full_journal_forgets_the_oldest_and_counts_them() -> None:
    journal = Journal(capacity=3)
    for _ in range(5):
        journal.add(**ENTRY)
    assert [kept.seq for kept in journal.read()] == [3, 4, 5]
    assert journal.dropped == 2


def test_a_journal_of_large_requests_keeps_fewer_and_always_the_last() -> None:
    journal = Journal(largest_bytes=1000)
    for size in (400, 400, 400):
        journal.add(size=size, **ENTRY)
    assert [kept.seq for kept in journal.read()] == [2, 3]
    journal.add(size=5000, **ENTRY)
    assert [kept.seq for kept in journal.newest(5)] == [4]
    assert journal.dropped == 3
    journal.clear()
    journal.add(size=900, **ENTRY)
    assert (journal.count, journal.dropped) == (1, 0)


def test_a_clock_never_runs_backward() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="runs forward"):
        clock.advance(-1)
    clock.freeze(True)
    frozen = clock.now()
    clock.freeze(False)
    assert clock.now() >= frozen


@dataclass
class Machine:
    """What a machine has of the time: a clock that can be set, and a monotonic one that stands still in its sleep."""

    system: float = 1_800_000_000.0
    monotonic_seconds: float = 100.0

    def time(self) -> float:
        return self.system

    def monotonic(self) -> float:
        return self.monotonic_seconds

    def run(self, seconds: float) -> None:
        self.system += seconds
        self.monotonic_seconds += seconds

    def sleep(self, seconds: float) -> None:
        self.system += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(clock_module, "time", made)
    return made


def test_jobs_that_were_due_while_the_machine_slept_have_ended(machine: Machine) -> None:
    service = Service()
    service.call("CreateBackend", {"AppId": "d", "AppName": "a", "BackendEnvironmentName": "one"})
    machine.sleep(3600)
    service.settle()
    assert [job.status for job in service.store().jobs.all()] == ["COMPLETED"]
    assert service.clock.wall() == machine.system


def test_a_clock_does_not_go_back_with_the_machines_until_it_is_reset(machine: Machine) -> None:
    clock = Clock()
    before = clock.now()
    machine.system -= 3600
    machine.run(5)
    assert clock.now() == before + 5
    clock.reset()
    assert clock.now() == machine.system


def test_a_frozen_clock_sleeps_through_the_machines_sleep_and_goes_on_from_there(machine: Machine) -> None:
    clock = Clock()
    clock.freeze(True)
    frozen = clock.now()
    machine.sleep(3600)
    assert clock.now() == frozen
    restored = Clock()
    restored.restore(clock.kept())
    for each in (clock, restored):
        assert each.now() == frozen
        each.freeze(False)
        assert each.now() == frozen
    machine.run(5)
    assert (clock.now(), restored.now()) == (frozen + 5, frozen + 5)


class CountingDict(dict[str, Any]):
    """Counts how often a job is looked up."""

    looked_up = 0

    def __getitem__(self, key: str) -> Any:
        self.looked_up += 1
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.looked_up += 1
        return super().get(key, default)


@pytest.fixture(scope="module")
def crowded() -> Service:
    """An environment with 10,000 jobs, and one of another environment."""
    service = Service()
    jobs = [{"environment": "one", "job_id": f"{number:05}"} for number in range(10_000)]
    seed(service, {"apps": [{"app_id": "d", "jobs": [*jobs, {"environment": "two", "job_id": "other"}]}]})
    return service


def lookups(service: Service, **filters: Any) -> tuple[int, list[str]]:
    book = service.store().jobs
    book.by_id = counting = CountingDict(book.by_id)
    answer = service.call("ListBackendJobs", {"AppId": "d", "BackendEnvironmentName": "one", **filters})
    return counting.looked_up, [row["JobId"] for row in answer["Jobs"]]


@pytest.mark.parametrize(
    ("job_id", "filters", "listed"),
    [
        ("09999", {}, ["09999"]),
        ("00000", {"Operation": "UpdateBackendAPI", "Status": "COMPLETED"}, ["00000"]),
        ("00000", {"Status": "FAILED"}, []),
        ("00000", {"MaxResults": 1}, ["00000"]),
        ("none", {}, []),
        ("other", {}, []),
    ],
)
def test_one_job_is_listed_without_going_through_the_others(
    crowded: Service, job_id: str, filters: dict[str, Any], listed: list[str]
) -> None:
    count, found = lookups(crowded, JobId=job_id, **filters)
    assert (count, found) == (1, listed)


def test_a_page_in_the_middle_of_many_jobs_costs_what_the_first_does(crowded: Service) -> None:
    where = {"AppId": "d", "BackendEnvironmentName": "one"}
    token = None
    for _ in range(300):
        token = crowded.call("ListBackendJobs", {**where, **({"NextToken": token} if token else {})})["NextToken"]
    count, found = lookups(crowded, NextToken=token)
    assert count == 26
    assert found[0] == "07500"
    assert len(found) == 25
