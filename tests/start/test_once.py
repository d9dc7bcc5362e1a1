"""A job is started once: the protocol against a service in which everything that can go wrong does."""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.core.status_check import check_job
from airflow_provider_amplifybackend.core.timing import REAL_TIME, Timing
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.start.actions import Obstacle, StartPolicy, StartResult
from airflow_provider_amplifybackend.start.driver import StartOnce
from airflow_provider_amplifybackend.start.intent import STORE_KEY, Intent, Round
from airflow_provider_amplifybackend.start.report import report
from airflow_provider_amplifybackend.start.sending import MAX_UNEXPLAINED_REFUSALS, Fence
from tests.not_started import not_started
from tests.samples import APP, auth_change, storage
from tests.state_store import Crash, StateStore

FIRST = Round(max_tries=3, clear_number=0)
CLEARED = Round(max_tries=7, clear_number=1)
CLONE = {"AppId": APP, "BackendEnvironmentName": "staging", "TargetEnvironmentName": "pr1"}
DELETE = {"AppId": APP, "BackendEnvironmentName": "staging"}

Accepted = Callable[..., list[dict[str, Any]]]


@functools.cache
def shared_hook() -> AmplifyBackendHook:
    """Making a client takes longer than everything else here."""
    return AmplifyBackendHook(config={"read_timeout": 1, "retries": {"mode": "standard", "max_attempts": 4}})


class Task:
    """A task instance: its tries share a store and nothing else."""

    def __init__(self, service: LocalAmplifyBackend) -> None:
        self.service = service
        self.store = StateStore()
        self.tries = 0

    def attempt(
        self,
        operation: str = "CloneBackend",
        request: Mapping[str, Any] = CLONE,
        *,
        round: Round = FIRST,
        seconds: float = 60,
        hook: AmplifyBackendHook | None = None,
        store: StateStore | str | None = "own",
        arrived: Intent | None = None,
        presumed: Intent | None = None,
        try_number: int | None = None,
        **policy: Any,
    ) -> StartOnce:
        self.tries += 1
        return StartOnce(
            hook or shared_hook(),
            operation,
            request,
            round=round,
            policy=StartPolicy(**{"patience": 4.0} | policy),
            deadline=time.time() + seconds,
            log=logging.getLogger("start"),
            store=self.store if store == "own" else store,  # type: ignore[arg-type]
            arrived=arrived,
            presumed=presumed,
            try_number=try_number or self.tries,
            timing=replace(timing.current(), sleep=self.sleep),
        )

    def sleep(self, seconds: float) -> None:
        """The service's time passes, ours does not."""
        self.service.control.advance(seconds)

    def start(self, *arguments: Any, **options: Any) -> StartResult | Obstacle:
        return self.attempt(*arguments, **options).advance()

    def report(self, reached: StartResult | Obstacle) -> None:
        """What the operator does just before it returns."""
        if reached.job is not None:
            report(self.store, reached.job, logging.getLogger("start"))

    def end(self, reached: StartResult | Obstacle) -> str | None:
        """Let the job end; return its status."""
        assert reached.job is not None
        self.service.control.advance(60)
        environments = tuple(filter(None, (reached.job.backend_environment_name, "pr1", "staging")))
        return shared_hook().run(check_job(replace(reached.job.ref, environments=environments))).status


@pytest.fixture
def task(service: LocalAmplifyBackend) -> Task:
    service.control.set_clock(frozen=True)
    service.control.set(job_seconds=10)
    return Task(service)


def outcome(step: StartResult | Obstacle) -> str:
    assert isinstance(step, StartResult), step
    return str(step.outcome)


# The plain case


def test_a_start_is_sent_once_and_its_job_is_stored(task: Task, accepted: Accepted) -> None:
    reached = task.start()
    assert outcome(reached) == "started"
    assert task.end(reached) == "COMPLETED"
    [entry] = accepted("CloneBackend")
    assert task.store.intent.job_id == entry["job_id"]
    assert task.store.intent.starts == 1


def test_the_intent_is_stored_before_the_request(task: Task, accepted: Accepted) -> None:
    task.store.dies_before_write = 1
    with pytest.raises(Crash):
        task.start()
    assert not task.service.control.journal("CloneBackend")


def test_the_store_holds_no_secret(task: Task, auth_request: Mapping[str, Any]) -> None:
    task.service.control.add_fault("CreateBackendAuth", kind="timeout_after", times=1)
    task.start("CreateBackendAuth", auth_request)
    assert task.store.history
    assert "hush" not in "".join(task.store.history)


# What goes wrong on the way

LOST_AFTER = ["timeout_after", "reset_after", "truncate", "empty"]
NEVER_ARRIVED = ["timeout_before", "reset_before"]
STARTS: dict[str, dict[str, Any]] = {
    "CloneBackend": CLONE,
    "CreateBackend": {"AppId": APP, "AppName": "shop", "BackendEnvironmentName": "pr1"},
    "DeleteBackend": DELETE,
    "RemoveAllBackends": {"AppId": APP},
    "CreateBackendConfig": {"AppId": APP},
    "ImportBackendStorage": {**DELETE, "ServiceName": "S3", "BucketName": "files"},
}


@pytest.mark.parametrize("kind", LOST_AFTER)
@pytest.mark.parametrize("operation", STARTS)
def test_a_start_whose_answer_was_lost_is_found(task: Task, accepted: Accepted, operation: str, kind: str) -> None:
    task.service.control.add_fault(operation, kind=kind, times=1)
    assert outcome(task.start(operation, STARTS[operation])) == "adopted"
    assert len(accepted(operation)) == 1
    assert len(task.service.control.journal(operation)) == 1


@pytest.mark.parametrize("kind", NEVER_ARRIVED)
def test_a_start_that_never_arrived_is_sent_again_when_patience_is_over(
    task: Task, accepted: Accepted, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.service.control.add_fault("CloneBackend", kind=kind, times=1)
    assert outcome(task.start(patience=0)) == "started"
    assert len(accepted("CloneBackend")) == 1
    assert task.store.intent.starts == 2


def test_a_read_that_times_out_is_a_lost_answer(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="delay", seconds=1.2, when="after", times=1)
    assert outcome(task.start()) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_request_that_arrives_after_we_gave_up_is_found(task: Task, accepted: Accepted) -> None:
    """The service took it late: looking at once shows nothing yet."""
    task.service.control.add_fault("CloneBackend", kind="delay", seconds=1.3, when="before", times=1)
    attempt = task.attempt()
    attempt.protocol.timing = replace(attempt.protocol.timing, sleep=lambda seconds: time.sleep(0.1))
    assert outcome(attempt.advance()) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_job_that_failed_before_it_was_found_is_this_trys_failure(task: Task, accepted: Accepted) -> None:
    """Sending again would hide the failure, and do so for ever."""
    task.service.control.set(job_seconds=0)
    task.service.control.add_fault("CreateBackend", kind="timeout_after")
    task.service.control.add_fault("CreateBackend", kind="job_fails", error="quota")
    reached = task.start("CreateBackend", STARTS["CreateBackend"])
    assert outcome(reached) == "adopted"
    assert reached.job is not None
    assert (reached.job.status, reached.job.error) == ("FAILED", "quota")
    assert len(accepted("CreateBackend")) == 1


def test_a_throttled_start_is_sent_again(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="throttle", times=3)
    assert outcome(task.start()) == "started"
    assert len(accepted("CloneBackend")) == 1


def test_a_start_that_is_throttled_for_ever_fails_with_the_services_words(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="throttle", message="Slow down, please")
    with pytest.raises(BackendRequestError, match=r"TooManyRequestsException.*Slow down, please"):
        task.start(seconds=5)
    assert not accepted("CloneBackend")


def test_a_service_that_cannot_be_reached_is_said(task: Task, connection: Callable[..., str]) -> None:
    nobody = connection("nobody", endpoint_url="http://127.0.0.1:9")
    hook = AmplifyBackendHook(aws_conn_id=nobody, config={"retries": {"total_max_attempts": 1}})
    with pytest.raises(BackendRequestError, match="EndpointConnectionError"):
        task.start(hook=hook)


def test_a_list_that_lags_is_looked_at_until_it_shows_the_job(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="timeout_after", times=1)
    task.service.control.add_fault("CloneBackend", kind="list_lag", seconds=20, times=1)
    assert outcome(task.start(patience=60)) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_job_that_shows_up_after_patience_is_still_ours(task: Task, accepted: Accepted) -> None:
    """We send again, the service says that a job is pending: it is the one we lost."""
    task.service.control.add_fault("UpdateBackendAuth", kind="timeout_after", times=1)
    task.service.control.add_fault("UpdateBackendAuth", kind="list_lag", seconds=3, times=1)
    task.service.control.seed_app(APP, {"name": "staging", "auth": {"main": None}})
    request = {**DELETE, "ResourceName": "main", "ResourceConfig": UPDATE}
    assert outcome(task.start("UpdateBackendAuth", request, patience=0)) == "adopted"
    assert len(accepted("UpdateBackendAuth")) == 1
    assert len(task.service.control.journal("UpdateBackendAuth")) > 1


UPDATE = auth_change(Mfa={"MFAMode": "OFF"})


@pytest.mark.parametrize("skew", [-7200, -3, 3, 7200])
@pytest.mark.parametrize("kind", LOST_AFTER[:1])
def test_the_services_clock_is_another_clock(task: Task, accepted: Accepted, skew: float, kind: str) -> None:
    task.service.control.set_clock(skew_seconds=skew)
    old = task.start("CreateBackendStorage", STORAGE)
    task.end(old)
    task.service.control.add_fault("CloneBackend", kind=kind, times=1)
    reached = Task(task.service).start()
    assert outcome(reached) == "adopted"
    assert reached.job is not None
    assert [reached.job.job_id] == [entry["job_id"] for entry in accepted("CloneBackend")]


STORAGE: dict[str, Any] = {
    **DELETE,
    "ResourceName": "files",
    "ResourceConfig": storage(),
}


def test_a_refusal_that_no_pending_job_explains_is_tried_again(task: Task, accepted: Accepted) -> None:
    """It ended just now."""
    task.service.control.add_fault("CloneBackend", kind="pending", times=2)
    assert outcome(task.start()) == "started"
    assert len(accepted("CloneBackend")) == 1


def test_a_refusal_that_nothing_ever_explains_fails_with_the_services_words(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="pending")
    with pytest.raises(BackendRequestError, match=r"ValidationException.*already a pending job"):
        task.start(patience=0.5)
    assert not accepted("CloneBackend")


def test_a_pending_job_that_the_list_shows_late_is_waited_for(task: Task, accepted: Accepted) -> None:
    """Longer than refusals are tried again that say nothing about a pending job."""
    task.service.control.set(job_seconds=100)
    task.service.control.add_fault("DeleteBackend", kind="list_lag", seconds=7 * REAL_TIME.between_checks)
    foreign = task.service.client().delete_backend(**DELETE)["JobId"]
    step = task.start("CreateBackendStorage", STORAGE, patience=60)
    assert isinstance(step, Obstacle)
    assert step.job.job_id == foreign
    assert len(task.service.control.journal("CreateBackendStorage")) > MAX_UNEXPLAINED_REFUSALS


def test_an_empty_answer_to_a_look_is_not_an_empty_app(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("GetBackend", kind="empty", times=1)
    task.service.control.add_fault("ListBackendJobs", kind="empty", times=1)
    assert outcome(task.start("DeleteBackend", DELETE, if_missing="skip")) == "started"
    assert len(accepted("DeleteBackend")) == 1


def test_looks_that_stay_empty_are_an_error_and_not_a_skip(task: Task) -> None:
    task.service.control.add_fault("GetBackend", kind="empty")
    with pytest.raises(BackendRequestError, match=r"GetBackend failed .EmptyAnswer"):
        task.start("DeleteBackend", DELETE, if_missing="skip")


def test_an_endpoint_that_knows_nothing_is_an_error_and_not_a_skip(task: Task) -> None:
    """A wrong endpoint answers 404 to everything."""
    task.service.control.add_fault("*", kind="error", status=404, code="UnknownOperationException")
    with pytest.raises(BackendRequestError, match="UnknownOperationException"):
        task.start("DeleteBackend", DELETE, if_missing="skip")


def test_a_lost_start_is_looked_for_though_somebody_elses_job_failed(task: Task, accepted: Accepted) -> None:
    """Both came after our look: the failed one is listed at once, ours a little later."""
    control = task.service.control
    control.seed_app(APP, {"name": "staging", "auth": {"main": None}})
    request = {**DELETE, "ResourceName": "main", "ResourceConfig": UPDATE}

    class Between(AmplifyBackendHook):
        def prepare_start(self) -> None:
            super().prepare_start()
            control.set(job_seconds=0)
            control.add_fault("UpdateBackendAuth", kind="job_fails", times=1)
            task.service.client().update_backend_auth(**request)
            control.set(job_seconds=10)
            control.add_fault("UpdateBackendAuth", kind="timeout_after", times=1)
            control.add_fault("UpdateBackendAuth", kind="list_lag", seconds=5, times=1)

    first = task.start("UpdateBackendAuth", request, hook=Between(), patience=60)
    assert isinstance(first, StartResult)
    assert first.job is not None
    assert first.job.status == "FAILED"
    second = task.start("UpdateBackendAuth", request, patience=60)
    assert outcome(second) == "adopted"
    assert second.job is not None
    assert [first.job.job_id, second.job.job_id] == [entry["job_id"] for entry in accepted("UpdateBackendAuth")]


# Somebody else's jobs


@pytest.fixture
def foreign(task: Task) -> str:
    """A job in `staging` that somebody else started."""
    task.service.control.seed_app(
        APP,
        jobs=[
            {
                "environment": "staging",
                "operation": "DeleteBackend",
                "status": "RUNNING",
                "seconds": 30,
                "job_id": "f1",
            }
        ],
    )
    return "f1"


def test_somebody_elses_job_is_waited_for_and_then_ours_is_started(
    task: Task, accepted: Accepted, foreign: str
) -> None:
    attempt = task.attempt("CreateBackendStorage", STORAGE)
    step = attempt.advance()
    assert isinstance(step, Obstacle)
    assert step.job.job_id == foreign
    assert not task.service.control.journal("CreateBackendStorage")
    task.service.control.advance(60)
    assert outcome(attempt.advance()) == "started"
    assert len(accepted("CreateBackendStorage")) == 1


def test_somebody_elses_job_is_named_where_we_are_not_to_wait(task: Task, foreign: str) -> None:
    with not_started(StartFailure.PENDING_JOB, match=f"{foreign}.*on_pending_job='wait'"):
        task.start("CreateBackendStorage", STORAGE, on_pending_job="fail")
    assert not task.service.control.journal("CreateBackendStorage")


def test_somebody_elses_job_of_the_same_kind_is_not_taken_for_ours(
    task: Task, accepted: Accepted, foreign: str
) -> None:
    task.service.control.add_fault("DeleteBackend", kind="timeout_after", times=1)
    assert isinstance(task.start("DeleteBackend", DELETE), Obstacle)
    task.service.control.advance(60)
    reached = task.start("DeleteBackend", DELETE)
    assert outcome(reached) == "adopted"
    assert reached.job is not None
    assert [reached.job.job_id] == [entry["job_id"] for entry in accepted("DeleteBackend")]


def test_somebody_who_comes_between_look_and_start_is_waited_for(task: Task, accepted: Accepted) -> None:
    class Between(AmplifyBackendHook):
        def prepare_start(self) -> None:
            super().prepare_start()
            if not task.service.control.journal("DeleteBackend"):
                task.service.client().delete_backend(**DELETE)

    step = task.start("CreateBackendStorage", STORAGE, hook=Between())
    assert isinstance(step, Obstacle)
    assert step.job.operation == "DeleteBackend"
    assert not accepted("CreateBackendStorage")


def test_a_pending_job_in_the_source_is_for_the_service_to_judge(task: Task, accepted: Accepted) -> None:
    """It lets two clones read one source at once."""
    assert outcome(task.start()) == "started"
    second = Task(task.service).start(request=CLONE | {"TargetEnvironmentName": "pr2"})
    assert outcome(second) == "started"
    assert len(accepted("CloneBackend")) == 2


def test_a_clone_to_another_target_just_before_is_not_taken_for_ours(task: Task, accepted: Accepted) -> None:
    """Where clones live in their source, and rows do not name the target: what was listed before ours is not ours."""
    task.service.control.set(clone_job_environment="source")
    first = task.start()
    assert isinstance(first, StartResult)
    second = Task(task.service)
    second.service.control.add_fault("CloneBackend", kind="timeout_before", times=1)
    step = second.start(request=CLONE | {"TargetEnvironmentName": "pr2"}, patience=0)
    assert isinstance(step, Obstacle)  # the service holds the source here
    task.end(first)
    assert outcome(second.start(request=CLONE | {"TargetEnvironmentName": "pr2"})) == "started"
    assert [entry["parameters"]["TargetEnvironmentName"] for entry in accepted("CloneBackend")] == ["pr1", "pr2"]


# Where jobs live, and how "gone" is said


@pytest.mark.parametrize("answers", ["target", "source"])
@pytest.mark.parametrize("lives", ["target", "source"])
@pytest.mark.parametrize("fault", [None, "timeout_after"])
def test_a_clone_is_found_wherever_its_job_lives(
    task: Task, accepted: Accepted, answers: str, lives: str, fault: str | None
) -> None:
    task.service.control.set(clone_answer_environment=answers, clone_job_environment=lives)
    if fault:
        task.service.control.add_fault("CloneBackend", kind=fault, times=1)
    reached = task.start()
    assert task.end(reached) == "COMPLETED"
    retry = task.start()
    assert outcome(retry) == "adopted"
    assert retry.job is not None
    assert retry.job.is_completed
    assert len(accepted("CloneBackend")) == 1


@pytest.mark.parametrize("gone", ["NotFoundException", "ValidationException", "absent"])
@pytest.mark.parametrize("jobs", ["readable", "NotFoundException"])
@pytest.mark.parametrize("fault", [None, "reset_after"])
def test_a_removed_environment_is_gone_however_the_service_says_so(
    task: Task, accepted: Accepted, gone: str, jobs: str, fault: str | None
) -> None:
    task.service.control.set(gone_environment=gone, deleted_environment_jobs=jobs)
    if fault:
        task.service.control.add_fault("DeleteBackend", kind=fault, times=1)
        task.service.control.set(job_seconds=0)
    first = task.start("DeleteBackend", DELETE)
    assert outcome(first) == ("adopted" if fault else "started")
    task.service.control.advance(60)
    retry = task.start("DeleteBackend", DELETE)
    assert outcome(retry) == "adopted"
    assert retry.job is None or retry.job.is_completed
    assert len(accepted("DeleteBackend")) == 1
    task.report(retry)
    assert outcome(task.start("DeleteBackend", DELETE, round=CLEARED, if_missing="skip")) == "skipped"


@pytest.mark.parametrize("home", ["every", "first", "last"])
@pytest.mark.parametrize("jobs", ["readable", "NotFoundException"])
def test_the_removal_of_all_environments_is_found_after_they_are_gone(
    task: Task, accepted: Accepted, home: str, jobs: str
) -> None:
    task.service.control.seed_app(APP, "staging", "dev", "prod")
    task.service.control.set(remove_all_job_environment=home, deleted_environment_jobs=jobs)
    assert outcome(task.start("RemoveAllBackends", {"AppId": APP})) == "started"
    assert outcome(task.start("RemoveAllBackends", {"AppId": APP})) == "adopted"
    task.service.control.advance(60)
    retry = task.start("RemoveAllBackends", {"AppId": APP})
    assert outcome(retry) == "adopted"
    assert retry.job is not None
    assert retry.job.is_completed
    assert len(accepted("RemoveAllBackends")) == 1


def test_what_exists_is_found_where_that_is_as_good(task: Task) -> None:
    request = CLONE | {"TargetEnvironmentName": "staging", "BackendEnvironmentName": "other"}
    task.service.control.seed_app(APP, "other")
    reached = task.start(request=request, if_exists="skip")
    assert (outcome(reached), reached.job) == ("found", None)
    with not_started(StartFailure.EXISTS):
        task.start(request=request)
    assert not task.service.control.journal("CloneBackend")


def test_what_came_to_exist_between_look_and_start_is_found(task: Task) -> None:
    class Between(AmplifyBackendHook):
        def prepare_start(self) -> None:
            super().prepare_start()
            task.service.control.seed_app(APP, "pr1")

    assert outcome(task.start(hook=Between(), if_exists="skip")) == "found"


def test_what_a_failed_clone_left_is_not_taken_for_a_clone(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="job_fails", times=1)
    reached = task.start(if_exists="skip")
    assert task.end(reached) == "FAILED"
    with not_started(StartFailure.LEFTOVER):
        task.start(if_exists="skip")
    assert len(accepted("CloneBackend")) == 1


def test_a_resource_is_looked_up_by_its_name(task: Task) -> None:
    task.service.control.seed_app(APP, {"name": "staging", "storage": {"files": None}})
    delete = {**DELETE, "ResourceName": "files", "ServiceName": "S3"}
    assert outcome(task.start("CreateBackendStorage", STORAGE, if_exists="skip")) == "found"
    others = delete | {"ResourceName": "others"}
    assert outcome(Task(task.service).start("DeleteBackendStorage", others, if_missing="skip")) == "skipped"
    assert outcome(Task(task.service).start("DeleteBackendStorage", delete, if_missing="skip")) == "started"


# Retries, clears, crashes


def test_a_retry_adopts_the_job_that_runs(task: Task, accepted: Accepted) -> None:
    first, second = task.start(), task.start()
    assert (outcome(first), outcome(second)) == ("started", "adopted")
    assert first.job is not None
    assert second.job is not None
    assert first.job.job_id == second.job.job_id
    assert len(accepted("CloneBackend")) == 1


def test_a_job_is_known_by_its_id_where_the_list_lags(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="list_lag", seconds=100)
    task.start()
    assert outcome(task.start()) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_stuck_job_is_adopted_and_not_started_beside(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="job_stuck")
    task.start()
    task.service.control.advance(100_000)
    assert outcome(task.start()) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_retry_after_a_failed_job_starts_another(task: Task, accepted: Accepted) -> None:
    task.service.control.set(failed_creation_leaves_environment=False)
    task.service.control.add_fault("CloneBackend", kind="job_fails", times=1)
    assert task.end(task.start()) == "FAILED"
    second = task.start()
    assert outcome(second) == "started"
    assert task.end(second) == "COMPLETED"
    assert len(accepted("CloneBackend")) == 2
    assert task.store.intent.starts == 2


def test_a_clear_while_the_job_runs_adopts_it(task: Task, accepted: Accepted) -> None:
    task.start()
    assert outcome(task.start(round=CLEARED)) == "adopted"
    assert task.store.intent.round == CLEARED
    assert len(accepted("CloneBackend")) == 1


def test_a_clear_after_the_job_does_it_again(task: Task, accepted: Accepted) -> None:
    task.service.control.set(job_seconds=0)
    storage = ("CreateBackendStorage", STORAGE)
    task.report(task.start(*storage))
    with not_started(StartFailure.EXISTS):
        task.start(*storage, round=CLEARED)
    task.service.client().delete_backend_storage(**DELETE, ResourceName="files", ServiceName="S3")
    assert outcome(task.start(*storage, round=CLEARED)) == "started"
    assert outcome(task.start(*storage, round=CLEARED)) == "adopted"
    assert len(accepted("CreateBackendStorage")) == 2


@pytest.mark.parametrize("fault", [None, "reset_after"])
@pytest.mark.parametrize("operation", ["CloneBackend", "DeleteBackend", "ImportBackendStorage"])
def test_a_clear_while_the_job_runs_adopts_it_even_if_it_ends_before_anybody_looks(
    task: Task, accepted: Accepted, operation: str, fault: str | None
) -> None:
    if fault:
        task.service.control.add_fault(operation, kind=fault, times=1)
    first = task.start(operation, STARTS[operation])
    assert task.end(first) == "COMPLETED"
    cleared = task.start(operation, STARTS[operation], round=CLEARED)
    assert outcome(cleared) == "adopted"
    assert first.job is not None
    assert cleared.job is not None
    assert cleared.job.job_id == first.job.job_id
    assert len(accepted(operation)) == 1


def test_a_clear_while_the_job_runs_does_it_again_if_it_was_undone_since(task: Task, accepted: Accepted) -> None:
    client = task.service.client()
    assert task.end(task.start()) == "COMPLETED"
    client.delete_backend(AppId=APP, BackendEnvironmentName="pr1")
    task.service.control.advance(60)
    assert outcome(task.start(round=CLEARED)) == "started"
    assert len(accepted("CloneBackend")) == 2


def test_a_clear_while_the_job_runs_does_it_again_if_another_job_came_since(task: Task, accepted: Accepted) -> None:
    """Nobody can tell then whether what it left is still there."""
    task.service.control.seed_app(APP, {"name": "api", "api": {"graph": None}})
    models = {"AppId": APP, "BackendEnvironmentName": "api", "ResourceName": "graph"}
    first = task.start("GenerateBackendAPIModels", models)
    assert task.end(first) == "COMPLETED"
    task.service.client().generate_backend_api_models(**models)
    task.service.control.advance(60)
    assert outcome(task.start("GenerateBackendAPIModels", models, round=CLEARED)) == "started"
    assert len(accepted("GenerateBackendAPIModels")) == 3


def test_a_report_that_cannot_be_stored_changes_nothing(task: Task, accepted: Accepted) -> None:
    first = task.start()
    task.store.set = None  # type: ignore[method-assign, assignment]
    task.report(first)
    assert not task.store.intent.reported


@pytest.mark.parametrize("round", [FIRST, CLEARED])
@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("moment", ["dies_before_write", "dies_after_write"])
@pytest.mark.parametrize("operation", ["CloneBackend", "DeleteBackend", "RemoveAllBackends"])
def test_a_crash_at_any_write_neither_starts_twice_nor_loses_the_job(
    task: Task, accepted: Accepted, operation: str, moment: str, write: int, round: Round
) -> None:
    setattr(task.store, moment, write)
    with pytest.raises(Crash):
        task.start(operation, STARTS[operation])
    task.store.dies_before_write = task.store.dies_after_write = None
    reached = task.start(operation, STARTS[operation], round=round)
    assert outcome(reached) == ("adopted" if write == 2 else "started")
    [entry] = accepted(operation)
    assert task.store.intent.job_id == entry["job_id"]
    assert outcome(task.start(operation, STARTS[operation], round=round)) == "adopted"
    assert len(accepted(operation)) == 1


@pytest.mark.parametrize("lag", [0, 10])
@pytest.mark.parametrize("fault", LOST_AFTER)
def test_a_crash_after_a_lost_answer_does_not_lose_the_job(
    task: Task, accepted: Accepted, fault: str, lag: float
) -> None:
    task.service.control.add_fault("CloneBackend", kind=fault)
    task.service.control.add_fault("CloneBackend", kind="list_lag", seconds=lag)

    def die(seconds: float) -> None:
        raise Crash

    attempt = task.attempt()
    attempt.protocol.timing = replace(attempt.protocol.timing, sleep=die)
    if lag:
        with pytest.raises(Crash):
            attempt.advance()
    else:
        attempt.advance()
    assert outcome(task.start(patience=60)) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_a_crash_after_a_start_that_was_sent_again_has_the_patience_of_the_second(
    task: Task, accepted: Accepted
) -> None:
    task.service.control.add_fault("CreateBackend", kind="timeout_before", times=1)
    task.service.control.add_fault("CreateBackend", kind="list_lag", seconds=15)
    attempt = task.attempt("CreateBackend", STARTS["CreateBackend"], patience=0)
    attempt.protocol.timing = replace(attempt.protocol.timing, sleep=task.sleep)
    task.store.dies_before_write = 4  # intent, lost, intent, answer
    with pytest.raises(Crash):
        attempt.advance()
    task.store.dies_before_write = None
    # As if the first start had been sent long ago.
    stored = task.store.get(STORE_KEY)
    task.store.set(STORE_KEY, stored | {"service_time_ms": stored["service_time_ms"] - 100_000})
    assert outcome(task.start("CreateBackend", STARTS["CreateBackend"], patience=60)) == "adopted"
    assert len(accepted("CreateBackend")) == 1


def test_a_clear_after_a_crash_waits_for_what_may_have_been_started(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="list_lag", seconds=5)
    task.store.dies_before_write = 2
    with pytest.raises(Crash):
        task.start()
    task.store.dies_before_write = None
    assert outcome(task.start(round=CLEARED, patience=60)) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_an_attempt_that_lost_its_store_cannot_send(task: Task) -> None:
    """Airflow refuses writes of a try that was cleared or taken over."""
    task.store.dies_before_write = 1
    with pytest.raises(Crash):
        task.start()
    assert not task.service.control.journal("CloneBackend")


def test_a_store_that_is_slow_for_ever_stops_the_start(task: Task, pace: Callable[..., None]) -> None:
    pace(intent_fresh=-1.0)
    with not_started(StartFailure.SLOW_STORE):
        task.start()
    assert len(task.store.history) == 3
    assert not task.service.control.journal("CloneBackend")


@pytest.mark.parametrize("event", ["before-sign", "request-created"])
def test_a_process_that_was_stopped_after_the_fence_does_not_send(
    task: Task, accepted: Accepted, pace: Callable[..., None], event: str
) -> None:
    """Stopped for longer than the intent is fresh: its successor may have started the job by then."""
    pace(intent_fresh=2.0)
    hook = AmplifyBackendHook()
    stops = iter([2.2])
    hook._start_conn.meta.events.register(f"{event}.amplifybackend", lambda **_: time.sleep(next(stops, 0)))
    task.store.dies_before_write = 2
    with pytest.raises(Crash):
        task.start(hook=hook)
    assert not task.service.control.journal("CloneBackend")
    task.store.dies_before_write = None
    assert outcome(task.start(hook=hook)) == "started"


def test_a_process_that_was_stopped_and_not_replaced_sends_with_a_new_intent(
    task: Task, accepted: Accepted, pace: Callable[..., None]
) -> None:
    pace(intent_fresh=2.0)
    hook = AmplifyBackendHook()
    stops = iter([2.2])
    hook._start_conn.meta.events.register("before-sign.amplifybackend", lambda **_: time.sleep(next(stops, 0)))
    assert outcome(task.start(hook=hook)) == "started"
    assert len(task.store.history) == 4  # an intent, that it was not sent, an intent, the job
    assert len(accepted("CloneBackend")) == 1


@pytest.mark.parametrize(
    ("monotonic", "wall", "fresh"),
    [(4.9, 4.9, True), (5.1, 5.1, False), (0.0, 60.0, False), (60.0, -3600.0, False), (1.0, -3600.0, True)],
    ids=["soon", "stopped", "the machine slept", "stopped, and its clock was set back", "its clock was set back"],
)
def test_the_right_to_send_ends_whichever_clock_goes_on(monotonic: float, wall: float, fresh: bool) -> None:
    clocks = [1000.0, 1e9]
    fence = Fence(Timing(monotonic=lambda: clocks[0], now=lambda: clocks[1]))
    clocks[:] = [1000.0 + monotonic, 1e9 + wall]
    assert fence.is_fresh() is fresh


def test_nothing_is_sent_after_the_deadline(task: Task) -> None:
    with not_started(StartFailure.OUT_OF_TIME):
        task.start(seconds=-1)
    assert not task.service.control.journal("CloneBackend")


def test_an_intent_of_another_version_is_still_found(task: Task, accepted: Accepted) -> None:
    task.start()
    task.store.set(STORE_KEY, task.store.get(STORE_KEY) | {"version": 2, "digest": "new form", "more": True})
    assert outcome(task.start()) == "adopted"
    assert len(accepted("CloneBackend")) == 1


@pytest.mark.parametrize("stored", [{"version": 9, "start": {}}, {"round": {"max_tries": 1}}, "an intent"])
def test_what_cannot_be_read_in_the_store_is_not_taken_for_nothing(task: Task, stored: Any) -> None:
    """An older version of the package after a downgrade: a job may have been started."""
    task.store.content[STORE_KEY] = json.dumps(stored)
    with not_started(StartFailure.UNREADABLE_STATE, match=r"app d1a2b3c4d5.*delete the key"):
        task.start()
    assert not task.service.control.journal("CloneBackend")


# Without a state store (Airflow before 3.3)


def presumed(task: Task, operation: str = "CloneBackend") -> Intent:
    since = int(task.service.control.clock()["time"] * 1000) - 60_000
    return Intent(operation, APP, "", FIRST, since, presumed=True)


def test_without_a_store_a_lost_answer_is_found_in_the_same_try(task: Task, accepted: Accepted) -> None:
    task.service.control.add_fault("CloneBackend", kind="timeout_after", times=1)
    assert outcome(task.start(store=None)) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_without_a_store_a_retry_adopts_what_runs(task: Task, accepted: Accepted) -> None:
    task.start(store=None)
    assert outcome(task.start(store=None, presumed=presumed(task))) == "adopted"
    assert len(accepted("CloneBackend")) == 1


def test_without_a_store_a_retry_does_not_guess_whose_an_ended_job_was(task: Task, accepted: Accepted) -> None:
    task.end(task.start(store=None))
    with not_started(StartFailure.UNKNOWN_OWNER):
        task.start(store=None, presumed=presumed(task))
    assert len(accepted("CloneBackend")) == 1


def test_without_a_store_a_retry_sends_where_nothing_was_started(task: Task, accepted: Accepted) -> None:
    assert outcome(task.start(store=None, presumed=presumed(task))) == "started"
    assert len(accepted("CloneBackend")) == 1


# Reading


def test_every_decision_is_one_log_line(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="start")
    task.service.control.add_fault("CloneBackend", kind="timeout_after", times=1)
    task.service.control.add_fault("CloneBackend", kind="list_lag", seconds=10, times=1)
    task.start(patience=60)
    words = [record.getMessage() for record in caplog.records if record.name == "start"]
    acts = [word.split(": ")[0] for word in words]
    assert acts[0] == "Starting"
    assert words[1].startswith("Lost the answer to the start")
    assert acts[2:] == ["Checking for the job", "Adopting an existing job"]
    assert all("CloneBackend" in word and APP in word and "pr1" in word for word in words)


def test_all_job_operations_are_looked_at_before_their_start(task: Task) -> None:
    assert set(STARTS) <= set(JOB_OPERATIONS)
    task.start("CreateBackendStorage", STORAGE)
    order = [entry["operation"] for entry in task.service.control.journal()]
    assert order.index("ListBackendJobs") < order.index("CreateBackendStorage")
