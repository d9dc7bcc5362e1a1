"""A text of the service that repeats a secret of the request: in no log, no XCom, no event and no exception."""

from __future__ import annotations

import html
import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendJobFailedError, BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor
from tests.dag_run import DagRunner, Finished
from tests.operators.test_secrets import ADD_AUTH, assert_unseen, config, new_secret
from tests.samples import APP

BOTH_MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
IMPORTS = "from airflow_provider_amplifybackend.operators.job import *\n"
COMMAND = f"aws amplifybackend get-backend-job --app-id {APP} --backend-environment-name staging --job-id"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    secret = f"{new_secret()}-<'&'>"
    monkeypatch.setenv("AIRFLOW_VAR_GOOGLE", secret)
    return secret


def add_auth(dags: DagRunner, deferrable: bool) -> Finished:
    written = repr(config("{{ var.value.google }}"))
    return dags.run(ADD_AUTH.format(config=written, deferrable=deferrable))


def repeating(secret: str) -> str:
    """A text of the service that has the secret as it is, in JSON and in HTML."""
    return f"no client {secret}; request was {json.dumps({'s': secret})}; {html.escape(secret)}"


@pytest.mark.usefixtures("everything_is_logged")
@BOTH_MODES
def test_a_failed_job_is_reported_without_the_secret_that_its_text_repeats(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, secret: str, deferrable: bool
) -> None:
    service.control.set(job_seconds=0.6)
    service.control.add_fault("CreateBackendAuth", kind="job_fails", error=repeating(secret))
    run = add_auth(dags, deferrable)
    assert run.state == "failed"
    assert "AmplifyBackend reported: no client ***; request was " in run.error("add_auth")
    assert_unseen(run, airflow_home, secret, secret.partition("-<")[0])


@pytest.mark.usefixtures("everything_is_logged")
@BOTH_MODES
def test_a_refusal_is_reported_without_the_secret_that_it_repeats(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, secret: str, deferrable: bool
) -> None:
    fault = {"status": 400, "code": "BadRequestException", "message": repeating(secret)}
    service.control.add_fault("CreateBackendAuth", kind="error", **fault)
    run = add_auth(dags, deferrable)
    assert "(BadRequestException)" in run.error("add_auth")
    assert "no client ***" in run.error("add_auth")
    assert_unseen(run, airflow_home, secret, secret.partition("-<")[0])


def test_neither_an_exception_of_the_hook_nor_what_it_came_from_repeats_a_secret(service: LocalAmplifyBackend) -> None:
    import traceback

    secret = new_secret()
    fault = {"status": 400, "code": "BadRequestException", "message": repeating(secret)}
    service.control.add_fault("CreateBackendAuth", kind="error", **fault)
    request = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "x", "ResourceConfig": config(secret)}
    for ask in (AmplifyBackendHook().call, AmplifyBackendHook().start_operation):
        with pytest.raises(BackendRequestError, match=r"no client \*\*\*") as raised:
            ask("CreateBackendAuth", request)
        assert secret not in "".join(traceback.format_exception(raised.value))


@BOTH_MODES
def test_a_status_check_in_the_triggerer_passes_on_no_text(
    dags: DagRunner, service: LocalAmplifyBackend, airflow_home: Path, secret: str, deferrable: bool
) -> None:
    service.control.set(job_seconds=30)
    fault = {"status": 403, "code": "AccessDeniedException", "message": repeating(secret)}
    service.control.add_fault("GetBackendJob", kind="error", **fault)
    run = add_auth(dags, deferrable)
    assert "AccessDeniedException" in run.error("add_auth")
    assert_unseen(run, airflow_home, secret, secret.partition("-<")[0])


# Somebody else's job


@pytest.fixture
def jobs(service: LocalAmplifyBackend, secret: str) -> None:
    service.control.seed_app(
        APP,
        jobs=[
            {"environment": "staging", "job_id": "auth", "operation": "UpdateBackendAuth"}
            | {"status": "FAILED", "error": repeating(secret)},
            {"environment": "staging", "job_id": "api", "operation": "UpdateBackendAPI"}
            | {"status": "FAILED", "error": "no quota"},
        ],
    )


LOOK = """
GetBackendJobOperator(task_id="get", app_id=APP, backend_environment_name="staging", job_id="{job}")
ListBackendJobsOperator(task_id="list", app_id=APP, backend_environment_name="staging", job_id="{job}")
UpdateBackendJobOperator(task_id="update", app_id=APP, backend_environment_name="staging", job_id="{job}")
for deferrable in (False, True):
    BackendJobSensor(
        task_id=f"sensor_{{deferrable}}", app_id=APP, backend_environment_name="staging", job_id="{job}",
        deferrable=deferrable,
    )
"""


def said(run: Finished) -> list[str]:
    return [
        run.xcom("get")["Error"],
        run.xcom("list")["Jobs"][0]["Error"],
        run.xcom("update")["Error"],
        *(run.error(f"sensor_{mode}").partition("AmplifyBackend reported: ")[2] for mode in (False, True)),
    ]


@pytest.mark.usefixtures("jobs")
def test_the_text_of_somebody_elses_job_that_took_secrets_is_not_shown_and_the_command_is(
    dags: DagRunner, airflow_home: Path, secret: str
) -> None:
    run = dags.run(IMPORTS + LOOK.format(job="auth"))
    for text in said(run):
        assert text.startswith("[not shown: ")
        assert f"{COMMAND} auth" in text
    assert secret.partition("-<")[0] not in run.log
    assert secret.partition("-<")[0] not in (airflow_home / "airflow.db").read_bytes().decode(errors="replace")


@pytest.mark.usefixtures("jobs")
def test_the_text_of_somebody_elses_job_that_took_none_is_shown(dags: DagRunner) -> None:
    assert set(said(dags.run(IMPORTS + LOOK.format(job="api")))) == {"no quota"}


# After a deferral


def failed_event(**job: Any) -> dict[str, Any]:
    names = {"app_id": APP, "backend_environment_name": "copy", "job_id": "j", "operation": "DeleteBackend"}
    return {
        "version": 1,
        "kind": "finished",
        "job": {**names, "status": "FAILED", **job},
        "outcome": "started",
        "deadline": time.time() + 60,
    }


def ended(event: dict[str, Any]) -> str:
    operator = DeleteBackendOperator(
        task_id="delete",
        app_id=APP,
        backend_environment_name="copy",
        botocore_config={"retries": {"total_max_attempts": 1}},
    )
    with pytest.raises(BackendJobFailedError) as raised:
        operator.execute_complete({}, event=event)
    return str(raised.value)


def test_a_failed_job_is_read_again_on_the_worker(service: LocalAmplifyBackend) -> None:
    job = {"environment": "copy", "job_id": "j", "operation": "DeleteBackend", "status": "FAILED", "error": "stuck"}
    service.control.seed_app(APP, "copy", jobs=[job])
    assert ended(failed_event()).endswith("\nAmplifyBackend reported: stuck")
    # A triggerer of an earlier version sent the text along: nobody has looked for secrets in it.
    assert ended(failed_event(error="hush")).endswith("\nAmplifyBackend reported: stuck")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "throttle"}, "GetBackendJob: TooManyRequestsException"),
        ({"kind": "error", "status": 404, "code": "NotFoundException"}, "GetBackendJob: NotFoundException"),
        ({"kind": "error", "status": 403, "code": "ExpiredTokenException"}, "GetBackendJob: ExpiredTokenException"),
        ({"kind": "reset_before"}, "GetBackendJob: ConnectionClosedError"),
    ],
    ids=str,
)
def test_a_failed_job_that_cannot_be_read_again_has_failed_all_the_same(
    service: LocalAmplifyBackend, fault: dict[str, Any], reason: str
) -> None:
    service.control.seed_app(APP, "copy")
    service.control.add_fault("GetBackendJob", **fault)
    error = ended(failed_event(error="hush"))
    assert error.startswith(f"FAILED: DeleteBackend, environment copy (app {APP}, job j).")
    assert "aws amplifybackend get-backend-job" in error
    assert f"[the text could not be read: {reason}" in error
    assert "hush" not in error


def test_a_failed_job_whose_connection_is_gone_has_failed_all_the_same(service: LocalAmplifyBackend) -> None:
    operator = DeleteBackendOperator(
        task_id="delete", app_id=APP, backend_environment_name="copy", aws_conn_id="no_such_connection"
    )
    with pytest.raises(BackendJobFailedError, match="could not be read: AirflowNotFoundException"):
        operator.execute_complete({}, event=failed_event())


def test_the_sensor_reads_a_failed_job_again(service: LocalAmplifyBackend) -> None:
    job = {"environment": "copy", "job_id": "j", "operation": "DeleteBackend", "status": "FAILED", "error": "stuck"}
    service.control.seed_app(APP, "copy", jobs=[job])
    sensor = BackendJobSensor(task_id="sensor", app_id=APP, backend_environment_name="copy", job_id="j")
    with pytest.raises(BackendJobFailedError, match="AmplifyBackend reported: stuck"):
        sensor.execute_complete({}, event=failed_event(error="hush"))


# The task is made here, with the secret that its event repeats; test_literal_secrets.py has the warning's tests.
@pytest.mark.filterwarnings("ignore::airflow_provider_amplifybackend.tasks.literal_secrets.LiteralSecretWarning")
@pytest.mark.parametrize("event", [{"kind": "error"}, {"kind": "timeout", "waited": 1.0}], ids=str)
def test_an_event_of_an_earlier_version_is_raised_without_the_secrets_of_the_task(event: dict[str, Any]) -> None:
    from airflow_provider_amplifybackend.exceptions import AmplifyBackendError
    from airflow_provider_amplifybackend.operators.auth import CreateBackendAuthOperator

    secret = new_secret()
    operator = CreateBackendAuthOperator(
        task_id="auth",
        app_id=APP,
        backend_environment_name="staging",
        resource_name="people",
        resource_config=json.dumps(config(secret)),
    )
    ref = {"app_id": APP, "job_id": "j", "environments": ["staging"], "operation": "CreateBackendAuth"}
    texts = {"message": f"oh {secret}", "last_error": f"oh {secret}", "ref": ref}
    with pytest.raises(AmplifyBackendError, match=r"oh \*\*\*") as raised:
        operator.execute_complete({}, event=event | texts)
    assert secret not in str(raised.value)
