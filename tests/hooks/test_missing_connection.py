"""A connection that was not found protects nothing only if every place has said that there is none."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend._compat import TASKS_READ_THE_DATABASE
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.exceptions import BackendGuardError, BackendRequestError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.retries import Action, advice_for
from tests.dag_run import DagRunner
from tests.hooks import places_of_connections as places
from tests.samples import APP

DELETE = {"AppId": APP, "BackendEnvironmentName": "production"}
VARIABLE = "AIRFLOW_CONN_AWS_DEFAULT"
DAMAGED = '{"conn_type": "aws", "password": "hush-hush"'
BODY = f"""
    from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator
    DeleteBackendOperator(
        task_id="delete", app_id="{APP}", backend_environment_name="production", deferrable={{deferrable}},
        waiter_delay=0.1, waiter_max_attempts=100)
"""
Sent = Callable[[str], int]
Environ = dict[str, str]


@pytest.fixture(autouse=True)
def environ(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Environ:
    """No connection, and what boto3 finds by itself instead; and an environment to delete."""
    monkeypatch.delenv(VARIABLE)
    variables = {
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": service.endpoint_url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    service.control.seed_app(APP, "production", *(f"env{number}" for number in range(5)))
    return variables


def protecting(service: LocalAmplifyBackend, *names: str) -> str:
    return connection_json(service.endpoint_url, amplifybackend={"protected": list(names)})


def test_without_any_connection_a_deletion_costs_what_it_costs_without_a_name_for_one(
    service: LocalAmplifyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []
    for conn_id in (None, "aws_default"):
        service.control.clear_journal()
        request = {**DELETE, "BackendEnvironmentName": "env0" if conn_id else "env1"}
        AmplifyBackendHook(aws_conn_id=conn_id).call("DeleteBackend", request)
        asked.append([entry["operation"] for entry in service.control.journal()])
    assert asked[0] == asked[1]
    assert "cannot be looked up" not in caplog.text


def test_a_connection_that_does_not_parse_is_no_missing_one(
    service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    hook = AmplifyBackendHook()
    monkeypatch.setenv(VARIABLE, DAMAGED)
    told = (
        r"DeleteBackend .*nothing was sent.* the connection 'aws_default' cannot be looked up: Environment\w+Backend: "
    )
    for way in (hook.check_guard, hook.call, hook.start_operation):
        with pytest.raises(BackendRequestError, match=told) as caught:
            way("DeleteBackend", DELETE)
        assert advice_for(caught.value).action is Action.DEFAULT  # the task's own retries
        assert "hush" not in str(caught.value)
    with pytest.raises(BackendRequestError, match="cannot be looked up"):
        hook.conn.delete_backend(**DELETE)
    AmplifyBackendHook().call("GetBackend", DELETE)  # of a read, nobody is asked
    monkeypatch.setenv(VARIABLE, protecting(service, "production"))
    with pytest.raises(BackendGuardError, match="'production' is protected"):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0


def test_once_it_is_said_to_be_missing_by_all_the_same_hook_deletes(
    monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    hook = AmplifyBackendHook()
    monkeypatch.setenv(VARIABLE, DAMAGED)
    with pytest.raises(BackendRequestError):
        hook.call("DeleteBackend", DELETE)
    monkeypatch.delenv(VARIABLE)
    hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1


def test_a_connection_that_appears_after_the_first_request_is_not_overlooked(
    service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    hook = AmplifyBackendHook()
    hook.get_environments(APP)
    monkeypatch.setenv(VARIABLE, protecting(service, "production"))
    with pytest.raises(BackendRequestError, match="the connection 'aws_default' is there now, and was not before"):
        hook.call("DeleteBackend", DELETE)
    with pytest.raises(BackendGuardError) as caught:
        hook.call("DeleteBackend", DELETE)
    assert caught.value.reason is GuardRefusal.PROTECTED
    assert sent("DeleteBackend") == 0


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_deletes_nothing_while_its_connection_cannot_be_looked_up(
    dags: DagRunner, monkeypatch: pytest.MonkeyPatch, sent: Sent, deferrable: bool
) -> None:
    monkeypatch.setenv(VARIABLE, DAMAGED)
    run = dags.run(BODY.format(deferrable=deferrable))
    assert run.state == "failed"
    assert "the connection 'aws_default' cannot be looked up" in run.error("delete")
    assert sent("DeleteBackend") == 0
    monkeypatch.delenv(VARIABLE)
    assert dags.run(BODY.format(deferrable=deferrable)).state == "success"


@pytest.mark.parametrize("error", ["API_SERVER_ERROR", "GENERIC_ERROR"])
def test_an_api_server_that_gives_no_answer_has_not_said_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, sent: Sent, error: str
) -> None:
    pytest.importorskip("airflow.sdk.execution_time.secrets.execution_api")  # from Airflow 3.1 on
    comms, exceptions, runner = (
        importlib.import_module(f"airflow.sdk.{name}")
        for name in ("execution_time.comms", "exceptions", "execution_time.task_runner")
    )

    class Supervisor:
        """Answers as Airflow's does for a task, whose API server is away or knows no connection."""

        says = exceptions.ErrorType[error]

        def send(self, msg: Any) -> Any:
            return comms.ErrorResponse(error=self.says)

    supervisor = Supervisor()
    monkeypatch.setattr(runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    hook = AmplifyBackendHook()
    with pytest.raises(BackendRequestError, match=f"'aws_default' cannot be looked up: Airflow's API server: {error}"):
        hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 0
    supervisor.says = exceptions.ErrorType.CONNECTION_NOT_FOUND
    hook.call("DeleteBackend", DELETE)
    assert sent("DeleteBackend") == 1


# ---------------------------------------------------------------------------- places that Airflow reads from its set-up


@pytest.fixture
def delete_in_a_process(environ: Environ, airflow_home: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Deletes one environment after another in a process of its own, and returns what became of each."""

    def run(*contents: str, **variables: str) -> list[str]:
        command = [sys.executable, "-m", places.__name__, APP, *contents]
        base = {name: value for name, value in os.environ.items() if name != VARIABLE}
        own = {places.FILE: str(tmp_path / "place"), **variables}
        ended = subprocess.run(command, env=base | own, capture_output=True, text=True, timeout=300, check=True)
        became = [line for line in ended.stdout.splitlines() if line.startswith(("deleted", "Backend"))]
        assert "hush" not in str(became)
        return became

    return run


def test_a_place_that_throttles_protects_until_it_answers(
    delete_in_a_process: Callable[..., list[str]], service: LocalAmplifyBackend, tmp_path: Path, sent: Sent
) -> None:
    backend = {"AIRFLOW__SECRETS__BACKEND": f"{places.__name__}.Place"}
    contents = [places.THROTTLED, protecting(service, "env1"), places.EMPTY]
    throttled, protected, _ = delete_in_a_process(*contents, **backend)
    assert throttled.startswith("BackendRequestError: DeleteBackend ")
    assert "the connection 'aws_default' cannot be looked up: Place: RuntimeError" in throttled
    assert protected.startswith("BackendGuardError: ")
    assert "'env1' is protected" in protected
    assert sent("DeleteBackend") == 0
    (tmp_path / "place.asked").unlink()
    assert delete_in_a_process(places.EMPTY, places.EMPTY, places.EMPTY, **backend) == ["deleted"] * 3
    # By the hook itself, and once by its guard.
    assert (tmp_path / "place.asked").read_text(encoding="utf-8").split() == ["aws_default"] * 2


def test_a_database_that_is_not_there_is_none_that_a_script_asks(
    delete_in_a_process: Callable[..., list[str]], tmp_path: Path
) -> None:
    dead = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/nosuch/airflow.db"}
    # Airflow 3 asks the database in its own processes only.
    assert delete_in_a_process(places.EMPTY, _AIRFLOW_PROCESS_CONTEXT="server", **dead) == ["deleted"]


@pytest.mark.skipif(not TASKS_READ_THE_DATABASE, reason="a task of Airflow 3 asks the API server")
def test_a_database_that_gives_no_answer_protects_where_tasks_read_it(
    dags: DagRunner, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    backend = importlib.import_module("airflow.secrets.metastore").MetastoreBackend

    def get_connection(*_: Any, **__: Any) -> Any:
        raise OSError("too many clients already")

    monkeypatch.setattr(backend, "get_connection", get_connection)
    run = dags.run(BODY.format(deferrable=False))
    assert "cannot be looked up: Airflow's database: OSError: too many clients" in run.error("delete")
    assert sent("DeleteBackend") == 0
