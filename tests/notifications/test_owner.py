"""Whoever owns an environment is told what failed, with job, log and next step, and without a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend import exceptions
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.job import Job, JobRef
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError
from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.notifications import _failure
from airflow_provider_amplifybackend.notifications._failure import failure_of
from airflow_provider_amplifybackend.notifications.owner import BackendOwnerNotifier
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator
from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner, Finished
from tests.samples import APP

HUSH = "hush-hush-0123456789"
tells_callbacks = pytest.mark.skipif(
    (3, 0) <= AIRFLOW < (3, 3), reason="dag.test() of Airflow 3.0 to 3.2 gives callbacks no exception"
)
DAG = """
from pathlib import Path
from airflow_provider_amplifybackend.notifications.owner import BackendOwnerNotifier, BaseNotifier

OUT = Path({out!r})

def letter_to(name):
    def write(context):
        with (OUT / name).open("a") as file:
            file.write(json.dumps(context["backend_failure"]) + chr(10))
    return write

class Mail(BaseNotifier):
    template_fields = ("message",)
    def __init__(self, message):
        super().__init__()
        self.message = message
    def notify(self, context):
        with (OUT / "mail").open("a") as file:
            file.write(json.dumps(self.message) + chr(10))

def broken(context):
    raise RuntimeError("the channel is broken")

CloneBackendOperator.partial(
    task_id="clone", app_id="{{{{ params.app }}}}", backend_environment_name="staging", waiter_delay=0.1,
    on_failure_callback=[BackendOwnerNotifier({options})],
).expand(target_environment_name={targets})
"""


@pytest.fixture
def failing(dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path) -> Callable[..., Finished]:
    """Runs a DAG whose clones fail, and whose app has an owner."""

    def run(options: str, *, targets: tuple[str, ...] = ("one",), owner: str | None = "web") -> Finished:
        if owner:
            service.control.seed_app(APP, tags={"owner": owner})
        service.control.add_fault("CloneBackend", kind="job_fails", error=f"the key is {HUSH}")
        body = DAG.format(out=str(tmp_path), options=options, targets=list(targets))
        return dags.run(body, options="params={'app': APP}")

    return run


def letters(folder: Path, name: str) -> list[Any]:
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@tells_callbacks
def test_the_owner_is_told_which_job_failed_and_what_to_do(failing: Callable[..., Finished], tmp_path: Path) -> None:
    run = failing('channels={"web": letter_to("web"), "api": letter_to("api")}, default=letter_to("others")')
    assert run.state == "failed"
    (letter,) = letters(tmp_path, "web")
    assert not letters(tmp_path, "api") + letters(tmp_path, "others")
    assert (letter["owner"], letter["app_id"], letter["environment"]) == ("web", APP, "one")
    assert letter["job_id"] == run.xcom("clone", "JobId", 0)
    assert letter["subject"].startswith("CloneBackend FAILED after 0 s: environment one, app ")
    assert f"{run.dag_id}.clone[0], run {run.run_id}, try 1 (BackendJobFailedError)" in letter["text"]
    assert f"Job: {letter['job_id']}" in letter["text"]
    assert "Log: http" in letter["text"]
    assert "Next step: Environment one may be left behind" in letter["text"]
    assert "aws amplifybackend get-backend-job" in letter["text"]
    assert HUSH not in json.dumps(letter)


def test_each_task_has_a_message_of_its_own(failing: Callable[..., Finished], tmp_path: Path) -> None:
    """A notifier renders its templates in place, once."""
    failing(
        'channels={"web": [Mail("{{ backend_failure.environment }} of {{ backend_failure.owner }}")]}',
        targets=("one", "two"),
    )
    assert sorted(letters(tmp_path, "mail")) == ["one of web", "two of web"]


@pytest.mark.parametrize("owner", [None, "nobody knows them"])
def test_who_owns_what_nobody_is_named_for_is_told_by_the_default(
    failing: Callable[..., Finished], tmp_path: Path, owner: str | None
) -> None:
    failing('channels={"web": letter_to("web")}, default=[letter_to("others")]', owner=owner)
    assert [letter["owner"] for letter in letters(tmp_path, "others")] == [owner]
    assert not letters(tmp_path, "web")


def test_tags_that_cannot_be_read_keep_nobody_from_being_told(
    failing: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.add_fault("GetApp", kind="error", status=403, code="AccessDeniedException")
    run = failing('channels={"web": letter_to("web")}, default=letter_to("others")')
    assert len(letters(tmp_path, "others")) == 1
    assert "cannot be read: amplify:GetApp (AccessDeniedException)" in run.log


def test_a_channel_that_is_broken_keeps_no_other_from_being_used(
    failing: Callable[..., Finished], tmp_path: Path
) -> None:
    failing('channels={"web": [broken, letter_to("web")]}')
    assert len(letters(tmp_path, "web")) == 1


@tells_callbacks
def test_without_anybody_to_tell_the_log_says_so(failing: Callable[..., Finished]) -> None:
    assert "Nobody is told of it (owner: web): CloneBackend FAILED" in failing("channels={}").log


# What is said


REF = JobRef(APP, "job-1", ("one",), "CloneBackend")


def context_of(error: Any) -> dict[str, Any]:
    task = CloneBackendOperator(
        task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="one"
    )
    ti = SimpleNamespace(dag_id="dag", task_id="clone", run_id="run", try_number=2, map_index=-1, log_url="http://log")
    return {"ti": ti, "task": task, "exception": error}


def request_failed() -> Exception:
    error = exceptions.BackendRequestError(HUSH)
    error.__cause__ = ServiceError(FaultKind.THROTTLED, "GetBackend", "TooManyRequestsException", HUSH)
    return error


@pytest.mark.parametrize(
    ("error", "subject", "step"),
    [
        (
            exceptions.BackendJobFailedError(Job(APP, "one", "job-1", "CloneBackend", "FAILED", HUSH)),
            "CloneBackend FAILED",
            "may be left behind",
        ),
        (
            exceptions.BackendJobTimeoutError(REF, waited=60, last_status="RUNNING", last_error=HUSH),
            "CloneBackend timed out",
            "cannot cancel jobs. Check it with: aws amplifybackend",
        ),
        (
            exceptions.BackendStartError(HUSH, reason=StartFailure.PENDING_JOB),
            "CloneBackend was not started (pending_job)",
            "Wait for the job",
        ),
        (
            exceptions.BackendGuardError(HUSH, reason=GuardRefusal.PROTECTED),
            "CloneBackend was refused by the guard (protected)",
            "who can lift",
        ),
        (exceptions.BackendParameterError(HUSH), "CloneBackend failed", "Correct the DAG"),
        (request_failed(), "CloneBackend failed (throttled)", "later"),
        (exceptions.BackendLeftoversError(None, []), "CloneBackend failed", "left behind"),
        (exceptions.BackendRecordError(HUSH), "CloneBackend failed", "completes the record"),
        (RuntimeError(HUSH), "CloneBackend failed", "task's log"),
        (HUSH, "CloneBackend failed", "task's log"),
        (None, "CloneBackend failed", "task's log"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_each_error_is_named_with_a_next_step_and_without_its_text(error: Any, subject: str, step: str) -> None:
    failure = failure_of(context_of(error), None, None)
    assert failure.subject.startswith(f"{subject}")
    assert failure.subject.endswith(f"environment one, app {APP}")
    assert step in failure.next_step
    assert HUSH not in json.dumps(failure.to_dict())


def test_every_reason_has_a_next_step() -> None:
    assert set(_failure.START_STEPS) == set(StartFailure)
    assert set(_failure.FAULT_STEPS) == set(FaultKind)


def test_a_task_that_is_not_ours_is_about_the_app_that_is_given() -> None:
    context = context_of(RuntimeError("no")) | {"task": SimpleNamespace(task_id="python")}
    failure = failure_of(context, "d1", "staging")
    assert failure.subject == "Task failed: environment staging, app d1"


def test_a_notifier_that_is_called_twice_names_the_environment_of_each_failure(service: LocalAmplifyBackend) -> None:
    """One object in `default_args` is that of all tasks, and `dag.test()` runs them in one process."""
    told: list[Any] = []
    notifier = BackendOwnerNotifier(
        channels={}, default=told.append, app_id="{{ params.app }}", backend_environment_name="{{ params.environment }}"
    )
    for environment in ("one", "two"):
        params = {"app": APP, "environment": environment}
        notifier(context_of(RuntimeError("no")) | {"dag": None, "params": params})
    assert [context["backend_failure"]["environment"] for context in told] == ["one", "two"]
    assert notifier.backend_environment_name == "{{ params.environment }}"


def test_a_name_that_was_not_rendered_is_asked_for_nowhere(service: LocalAmplifyBackend) -> None:
    told: list[Any] = []
    notifier = BackendOwnerNotifier(channels={}, default=told.append)
    context = context_of(RuntimeError("no"))
    context["task"].app_id = "{{ params.missing }}"
    notifier.notify(context)  # type: ignore[arg-type]
    assert len(told) == 1
    assert service.control.journal() == []


# In the DAG processor, where nothing was rendered


OWN_DAG = """
def output():
    return "one"

names = task(task_id="names")(output)()
CloneBackendOperator(
    task_id="templates", app_id="{{ params.app }}", backend_environment_name="staging",
    target_environment_name="pr-{{ ds_nodash }}",
)
GetBackendOperator(task_id="unknown", app_id="d1{{ nothing }}", backend_environment_name="{{ 1 / 0 }}")
GetBackendOperator(task_id="output", app_id=APP, backend_environment_name=names)
GetBackendOperator(task_id="again", app_id=APP, backend_environment_name="{{ params.other }}")
GetBackendOperator(
    task_id="elsewhere", app_id=APP, backend_environment_name="one", aws_conn_id="{{ nothing }}",
)
CloneBackendOperator.partial(
    task_id="mapped", app_id="{{ params.app }}", backend_environment_name="staging",
).expand(target_environment_name=["one", "two"])
DeleteBackendOperator.partial(
    task_id="mapped_connection", app_id=APP, backend_environment_name="one",
).expand(aws_conn_id=["a", "b"])
"""


@pytest.fixture
def told_by_processor(dags: DagRunner, service: LocalAmplifyBackend) -> Callable[..., Any]:
    """Tells of a task as the DAG processor does, which has the DAG file and no exception."""
    service.control.seed_app(APP, tags={"owner": "web"})
    dag = dags.load(OWN_DAG)

    def tell(task_id: str, **options: Any) -> Any:
        told: list[Any] = []
        ti = SimpleNamespace(dag_id="dag", task_id=task_id, run_id="run", try_number=1, map_index=0, log_url="http://l")
        params = {"app": APP, "other": "{{ params.app }}"}
        context = {"ti": ti, "task": dag.get_task(task_id), "dag": dag, "params": params, "ds_nodash": "20261130"}
        BackendOwnerNotifier(channels={}, default=told.append, **options)(context)
        (failure,) = [context["backend_failure"] for context in told]
        assert "{{" not in json.dumps(failure)
        return failure

    return tell


@pytest.mark.parametrize(
    ("task_id", "app_id", "environment", "owner"),
    [
        ("templates", APP, "pr-20261130", "web"),
        ("unknown", None, None, None),  # half a name would be another one
        ("output", APP, None, "web"),
        ("again", APP, None, "web"),  # what whoever triggered the run has written is no template
        ("mapped", APP, None, "web"),
        ("elsewhere", APP, "one", None),
        ("mapped_connection", APP, "one", None),
    ],
)
def test_of_a_task_whose_worker_has_died_the_names_that_can_be_known_are_told(
    told_by_processor: Callable[..., Any], task_id: str, app_id: str | None, environment: str | None, owner: str | None
) -> None:
    failure = told_by_processor(task_id)
    assert (failure["app_id"], failure["environment"], failure["owner"]) == (app_id, environment, owner)


def test_a_mapped_task_whose_worker_has_died_is_told_with_its_operation(told_by_processor: Callable[..., Any]) -> None:
    assert told_by_processor("mapped")["subject"] == f"CloneBackend failed: app {APP}"


@pytest.mark.parametrize("task_id", ["elsewhere", "mapped_connection"])
def test_the_app_is_asked_for_nowhere_if_the_connection_of_the_task_is_not_known(
    told_by_processor: Callable[..., Any], service: LocalAmplifyBackend, task_id: str
) -> None:
    """The default connection may be that of another account."""
    service.control.clear_journal()
    told_by_processor(task_id)
    assert service.control.journal() == []
    assert told_by_processor(task_id, aws_conn_id="aws_default")["owner"] == "web"


def test_the_names_of_the_dag_file_are_not_changed(told_by_processor: Callable[..., Any], dags: DagRunner) -> None:
    first, second = told_by_processor("templates"), told_by_processor("templates")
    assert first == second


def test_a_text_that_was_rendered_is_not_rendered_again() -> None:
    context = context_of(None) | {"params": {"app": "other"}}
    context["task"].target_environment_name = "{{ params.app }}"
    assert failure_of(context, None, "{{ params.app }}").environment is None


@pytest.mark.parametrize("context", [{"dag": None, "run_id": "run", "reason": "task_failure"}, {}])
def test_the_callback_of_a_dag_is_refused_with_what_to_do(context: dict[str, Any]) -> None:
    notifier = BackendOwnerNotifier(channels={}, app_id="{{ params.app }}")
    with pytest.raises(exceptions.BackendParameterError, match="it is for on_failure_callback of tasks"):
        notifier(context)
