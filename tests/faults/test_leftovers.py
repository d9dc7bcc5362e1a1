"""`on_failure="delete_target"`: the empty environment of a failed clone goes, if it is ours, and a retry works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendJobFailedError, BackendStartError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, CreateBackendOperator
from tests.faults.airflow_stand_in import Killed, StateStore, TaskInstance, Triggerer
from tests.not_started import not_started

APP = "d1a2b3c4d5"
OURS = r"Deleted environment ours, which it left behind; a retry can create it again \(job .+\)"


@pytest.fixture(autouse=True)
def service_that_fails_once(hurry: LocalAmplifyBackend) -> LocalAmplifyBackend:
    for operation in ("CloneBackend", "CreateBackend"):
        hurry.control.add_fault(operation, kind="job_fails", error="quota", times=1)
    return hurry


@pytest.fixture
def task(service_that_fails_once: LocalAmplifyBackend, triggerer: Triggerer) -> Callable[..., TaskInstance]:
    hook = AmplifyBackendHook(config={"retries": {"total_max_attempts": 2}})

    def make(operator_class: type = CloneBackendOperator, **parameters: Any) -> TaskInstance:
        place = (
            {"backend_environment_name": "staging", "target_environment_name": "ours"}
            if operator_class is CloneBackendOperator
            else {"backend_environment_name": "ours", "app_name": "shop"}
        )
        given = {"on_failure": "delete_target", "waiter_max_attempts": 200} | place | parameters

        def operator() -> Any:
            made = operator_class(task_id="task", app_id=APP, waiter_delay=0.1, **given)
            made.__dict__["hook"] = hook
            return made

        return TaskInstance(operator, triggerer)

    return make


def environments(service: LocalAmplifyBackend) -> list[str]:
    return sorted(service.client().get_backend(AppId=APP)["BackendEnvironmentList"])


def accepted(service: LocalAmplifyBackend, *operations: str) -> list[str]:
    return [entry["operation"] for entry in service.control.journal(effective=True) if entry["operation"] in operations]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("operator_class", [CloneBackendOperator, CreateBackendOperator])
@pytest.mark.parametrize(
    ("lives", "jobs"), [("target", "readable"), ("target", "NotFoundException"), ("source", "readable")]
)
def test_the_leftover_goes_and_a_retry_works(
    service: LocalAmplifyBackend,
    task: Callable[..., TaskInstance],
    operator_class: type,
    deferrable: bool,
    lives: str,
    jobs: str,
) -> None:
    """Also where the service forgets the jobs of an environment with the environment."""
    service.control.set(clone_job_environment=lives, deleted_environment_jobs=jobs)
    instance = task(operator_class, deferrable=deferrable)
    with pytest.raises(BackendJobFailedError, match=rf"(?s){OURS}.*quota$"):
        instance.attempt()
    assert environments(service) == ["staging"]
    assert instance.attempt()["Status"] == "COMPLETED"
    assert environments(service) == ["ours", "staging"]
    operation = operator_class.api_operation
    assert accepted(service, operation, "DeleteBackend") == [operation, "DeleteBackend", operation]


def test_by_default_it_is_kept(service: LocalAmplifyBackend, task: Callable[..., TaskInstance]) -> None:
    instance = task(on_failure="keep")
    with pytest.raises(BackendJobFailedError, match=r"quota$"):
        instance.attempt()
    with not_started(StartFailure.LEFTOVER):
        instance.attempt()
    assert environments(service) == ["ours", "staging"]
    assert not accepted(service, "DeleteBackend")


@pytest.mark.parametrize("moment", [1, 2, *range(4, 12)])
@pytest.mark.parametrize(("jobs", "on_pending_job"), [("readable", "fail"), ("NotFoundException", "wait")])
def test_a_crash_at_any_write_neither_deletes_twice_nor_keeps_the_retry_from_working(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance], moment: int, on_pending_job: str, jobs: str
) -> None:
    service.control.set(deleted_environment_jobs=jobs)
    instance = task(on_pending_job=on_pending_job)
    instance.store = store = StateStore()
    writes: list[str] = []

    def at(name: str) -> None:
        writes.append(name)
        if len(writes) == moment:
            raise Killed

    store.at = at
    results = []
    for _ in range(4):
        try:
            results.append(instance.attempt()["Status"])
            break
        except (Killed, BackendJobFailedError):
            continue
    assert results == ["COMPLETED"]
    assert environments(service) == ["ours", "staging"]
    assert accepted(service, "CloneBackend", "DeleteBackend") == ["CloneBackend", "DeleteBackend", "CloneBackend"]


def test_a_crash_before_the_answer_is_stored_leaves_a_job_that_may_be_somebody_elses(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    instance = task()
    instance.store = store = StateStore()
    writes: list[str] = []

    def at(name: str) -> None:
        writes.append(name)
        if len(writes) == 3:
            raise Killed

    store.at = at
    with pytest.raises(Killed):
        instance.attempt()
    service.control.advance(1)
    with not_started(StartFailure.LEFTOVER, match="certainly this task's own"):
        instance.attempt()
    assert accepted(service, "CloneBackend", "DeleteBackend") == ["CloneBackend"]


def test_the_retry_deletes_what_the_first_try_could_not(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", error="locked", times=1)
    instance = task()
    with pytest.raises(BackendJobFailedError, match=r"(?s)Could not delete .*DeleteBackend.*locked.*quota$"):
        instance.attempt()
    assert instance.attempt()["Status"] == "COMPLETED"
    assert accepted(service, "DeleteBackend") == ["DeleteBackend"] * 2


def test_a_cleared_task_deletes_it_too(service: LocalAmplifyBackend, task: Callable[..., TaskInstance]) -> None:
    instance = task(on_failure="keep")
    with pytest.raises(BackendJobFailedError):
        instance.attempt()
    instance.clear()
    instance.make = task().make
    assert instance.attempt()["Status"] == "COMPLETED"


def test_what_cannot_be_deleted_now_is_said(service: LocalAmplifyBackend, task: Callable[..., TaskInstance]) -> None:
    service.control.add_fault("DeleteBackend", kind="error", status=403, code="AccessDeniedException", message="no")
    with pytest.raises(BackendJobFailedError, match=r"(?s)Could not delete .*AccessDeniedException.*quota$"):
        task().attempt()


# Whose it is


def test_a_job_that_was_found_may_be_somebody_elses(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    service.control.add_fault("CloneBackend", kind="timeout_after", times=1)
    with pytest.raises(BackendJobFailedError, match=r"(?s)Kept what it left behind.*somebody else's.*quota$"):
        task().attempt()
    assert environments(service) == ["ours", "staging"]


def test_what_somebody_has_used_since_is_kept(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance], triggerer: Triggerer
) -> None:
    instance = task(deferrable=True)

    def somebody_comes(moment: str) -> None:
        assert moment == "while deferred"
        job = {"environment": "ours", "operation": "CreateBackendAuth", "status": "COMPLETED", "age_seconds": -5}
        service.control.seed_app(APP, jobs=[job])

    instance.at = somebody_comes
    with pytest.raises(BackendJobFailedError, match=r"Kept environment ours.* used since, by job .*CreateBackendAuth"):
        instance.attempt()
    assert environments(service) == ["ours", "staging"]
    assert not accepted(service, "DeleteBackend")


def test_a_leftover_of_somebody_else_is_kept(service: LocalAmplifyBackend, task: Callable[..., TaskInstance]) -> None:
    failed = {"environment": "ours", "operation": "CloneBackend", "status": "FAILED", "age_seconds": 60}
    service.control.seed_app(APP, "ours", jobs=[failed])
    with not_started(StartFailure.LEFTOVER):
        task().attempt()
    assert environments(service) == ["ours", "staging"]


def test_a_retry_with_another_target_deletes_nothing(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    """The DAG was changed in between: what failed was the creation of another environment."""
    service.control.seed_app(APP, "precious")
    instance = task(on_failure="keep")
    with pytest.raises(BackendJobFailedError):
        instance.attempt()
    instance.make = task(target_environment_name="precious").make
    with not_started(StartFailure.EXISTS):
        instance.attempt()
    assert environments(service) == ["ours", "precious", "staging"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_without_a_store_the_try_that_started_it_deletes_it(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance], deferrable: bool
) -> None:
    instance = task(deferrable=deferrable)
    instance.store = None
    with pytest.raises(BackendJobFailedError, match=OURS):
        instance.attempt()
    assert environments(service) == ["staging"]


AUTH = {"name": "ours", "auth": {"main": None}}


@pytest.mark.parametrize(("jobs", "lives"), [("readable", "target"), ("NotFoundException", "source")])
def test_what_was_made_again_without_a_job_is_not_deleted_after_a_clear(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance], jobs: str, lives: str
) -> None:
    """`amplify push` leaves no row."""
    service.control.set(deleted_environment_jobs=jobs, clone_job_environment=lives)
    instance = task()
    with pytest.raises(BackendJobFailedError, match="Deleted environment"):
        instance.attempt()
    service.control.seed_app(APP, AUTH)
    instance.clear()
    with pytest.raises(BackendStartError, match="exists"):
        instance.attempt()
    assert environments(service) == ["ours", "staging"]
    assert accepted(service, "DeleteBackend") == ["DeleteBackend"]


def test_what_was_made_again_after_somebody_deleted_the_leftover_is_not_deleted_by_a_retry(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    instance = task(on_failure="keep")
    with pytest.raises(BackendJobFailedError):
        instance.attempt()
    service.client().delete_backend(AppId=APP, BackendEnvironmentName="ours")
    service.control.advance(5)
    service.control.seed_app(APP, AUTH)
    instance.make = task().make
    with pytest.raises(BackendStartError, match="exists"):
        instance.attempt()
    assert environments(service) == ["ours", "staging"]
    assert accepted(service, "DeleteBackend") == ["DeleteBackend"]


def test_the_leftover_of_an_answered_start_goes_though_an_earlier_one_was_lost(
    service: LocalAmplifyBackend, task: Callable[..., TaskInstance]
) -> None:
    service.control.set(failed_creation_leaves_environment=False)
    service.control.add_fault("CloneBackend", kind="timeout_after", times=1)
    service.control.add_fault("CloneBackend", kind="job_fails", error="quota", times=1)
    instance = task()
    with pytest.raises(BackendJobFailedError, match="may be somebody else's"):
        instance.attempt()
    service.control.set(failed_creation_leaves_environment=True)
    with pytest.raises(BackendJobFailedError, match=OURS):
        instance.attempt()
    assert environments(service) == ["staging"]
