"""What `doctor` finds, on connections that work and on those that do not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from airflow_provider_amplifybackend.cli.doctor import READS
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.cli.conftest import Run, marks, texts
from tests.samples import APP

SCRIPT = "airflow_provider_amplifybackend.cli.main"
SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def fleet(aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, "staging", "test", app_name="shop")


def connection(aws: LocalAmplifyBackend, **extra: object) -> str:
    return connection_json(aws.endpoint_url, **extra)  # type: ignore[arg-type]


def test_a_good_connection_fits_on_one_screen_and_nothing_was_changed(run: Run, aws: LocalAmplifyBackend) -> None:
    ended = run("doctor")
    assert ended.status == 0, ended
    lines = ended.output.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 118
    assert "WRONG" not in ended.output
    assert "arn:aws:sts::" in ended.output
    assert f"{APP}, environment staging (2 in all)" in ended.output
    assert "all signs can be read" in ended.output
    called = {entry["operation"] for entry in aws.control.journal(service="amplifybackend")}
    assert called == set(READS)
    assert {OPERATIONS[name].only_reads for name in called} == {True}


def test_it_is_a_command_of_its_own_and_one_of_airflow(run_process: Run) -> None:
    from tests.airflow_versions import AIRFLOW

    ended = run_process(SCRIPT, "doctor")
    assert (ended.status, ended.errors) == (0, "")
    assert ended.output.startswith("Connection aws_default; provider ")
    if AIRFLOW >= (3, 2):
        of_airflow = run_process("airflow", "amplifybackend", "doctor", "--output", "json")
        assert of_airflow.status == 0, of_airflow
        assert marks(of_airflow)["allowed"] == "ok"


def test_no_credentials(run_process: Run, aws: LocalAmplifyBackend) -> None:
    ended = run_process(
        SCRIPT, "doctor", "--aws-conn-id", "", "--region-name", "us-east-1", AWS_ENDPOINT_URL=aws.endpoint_url
    )
    assert ended.status == 1
    assert "WRONG    credentials  refused or missing: NoCredentialsError" in ended.output
    assert ended.errors == ""


def test_no_region(run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(aws.endpoint_url, region_name=None))
    ended = run("doctor", "--output", "json")
    assert ended.status == 1
    assert marks(ended)["region"] == "WRONG"


def test_the_wrong_region_has_no_such_app(run: Run) -> None:
    ended = run("doctor", "--app-id", APP, "--region-name", "eu-west-1", "--output", "json")
    assert ended.status == 1
    assert (marks(ended)["app"], texts(ended)["region"]) == ("WRONG", "eu-west-1")
    assert "no environment in this region and account" in texts(ended)["app"]


def test_an_environment_that_is_not_there(run: Run) -> None:
    ended = run("doctor", "--app-id", APP, "--environment", "prod", "--output", "json")
    assert ended.status == 1
    assert "has no environment prod" in texts(ended)["app"]


@pytest.mark.parametrize(
    ("operation", "status", "mark"), [("GetBackendAuth", 0, "warning"), ("GetBackendJob", 1, "WRONG")]
)
def test_one_denied_action_is_named(run: Run, aws: LocalAmplifyBackend, operation: str, status: int, mark: str) -> None:
    aws.control.add_fault(operation, kind="denied")
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["denied"]) == (status, mark)
    assert texts(ended)["denied"].startswith(f"amplifybackend:{operation} ")
    assert f"{len(READS) - 1} of {len(READS)} reads" in texts(ended)["allowed"]


@pytest.mark.parametrize(
    ("mode", "status", "mark"), [("auto", 0, "warning"), ("require", 1, "WRONG"), ("off", 0, "warning")]
)
def test_signs_of_the_guard_that_cannot_be_read(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, mode: str, status: int, mark: str
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", mode)
    aws.control.add_fault("GetApp", kind="denied")
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["guard"]) == (status, mark)
    if mode != "off":
        assert "amplify:GetApp" in texts(ended)["guard"]


def test_protected_names_that_cannot_be_read_refuse_everything(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "a/b/c")
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["guard"]) == (1, "WRONG")


@pytest.mark.parametrize("app_id", [APP, APP.upper()])
@pytest.mark.parametrize("options", [("--app-id", APP), ()])
def test_an_entry_that_is_the_id_of_the_app_refuses_everything(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], app_id: str
) -> None:
    aws.control.seed_app(APP, "staging")
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", app_id)
    ended = run("doctor", *options, "--output", "json")
    assert (ended.status, marks(ended)["guard"]) == (1, "WRONG")
    assert texts(ended)["guard"].startswith("every deletion and change is refused: ")
    assert f"'{app_id}/*'" in texts(ended)["guard"]


def test_an_entry_that_is_the_id_of_another_app_refuses_nothing_of_this_one(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.control.seed_app(APP, "staging")
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "dother")
    ended = run("doctor", "--app-id", APP, "--output", "json")
    assert (ended.status, marks(ended)["guard"]) == (0, "ok")


@pytest.mark.parametrize(("ahead", "status", "mark"), [(3600, 1, "WRONG"), (-3600, 1, "WRONG"), (120, 0, "warning")])
def test_a_skewed_clock(run: Run, aws: LocalAmplifyBackend, ahead: int, status: int, mark: str) -> None:
    aws.control.set_clock(skew_seconds=ahead)
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["clock"]) == (status, mark)
    assert ("behind" if ahead > 0 else "ahead of") in texts(ended)["clock"]


def test_a_refusal_for_the_time_shows_the_clock(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.set_clock(skew_seconds=3600)
    aws.control.add_fault(kind="error", status=403, code="InvalidSignatureException", message="Signature expired")
    ended = run("doctor", "--output", "json")
    assert ended.status == 1
    assert (marks(ended)["credentials"], marks(ended)["clock"]) == ("WRONG", "WRONG")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with closing(socket.socket()) as taken:  # bound and never listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_endpoint_that_cannot_be_reached(run: Run, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(f"http://127.0.0.1:{closed_port}"))
    ended = run("doctor", "--output", "json")
    assert ended.status == 1
    assert "cannot be reached: EndpointConnectionError" in ended.output
    assert "allowed" not in marks(ended)


def test_a_connection_that_does_not_exist(run: Run) -> None:
    ended = run("doctor", "--aws-conn-id", "aws_nowhere", "--output", "json")
    assert ended.status == 1
    assert texts(ended)["connection"].startswith("The AWS connection aws_conn_id='aws_nowhere' does not exist")


def test_no_secret_of_the_connection_is_shown(
    run_process: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        json.dumps(
            {
                "conn_type": "aws",
                "login": "AKIAEXAMPLE",
                "password": SECRET,
                "extra": {
                    "region_name": "us-east-1",
                    "endpoint_url": aws.endpoint_url.replace("://", f"://ann:{SECRET}@"),
                    "aws_session_token": SECRET,
                },
            }
        ),
    )
    ended = run_process(SCRIPT, "doctor", "--verbose")
    assert "connection" in ended.output
    assert SECRET not in ended.output + ended.errors


def test_a_connection_of_airflow_s_database_is_found(run: Run, aws: LocalAmplifyBackend) -> None:
    from airflow.models import Connection
    from airflow.utils.session import create_session

    members = json.loads(connection(aws))
    with create_session() as session:
        session.add(Connection(conn_id="aws_stored", **members | {"extra": json.dumps(members["extra"])}))
    try:
        ended = run("doctor", "--aws-conn-id", "aws_stored")
    finally:
        with create_session() as session:
            session.query(Connection).filter(Connection.conn_id == "aws_stored").delete()
    assert ended.status == 0, ended
    assert "aws_stored was found" in ended.output


@pytest.mark.parametrize(("default", "status"), [("False", 0), ("True", 1)])
def test_a_triggerer_that_does_not_run(run: Run, monkeypatch: pytest.MonkeyPatch, default: str, status: int) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", default)
    ended = run("doctor", "--output", "json")
    assert (ended.status, texts(ended)["triggerer"][:15]) == (status, "none is running")
    # Not for ever (docs/kubernetes.md).
    assert texts(ended)["triggerer"].endswith("would wait until their deadline")


def test_a_triggerer_that_runs(run: Run) -> None:
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    with create_session() as session:
        job = Job(state="running")  # type: ignore[no-untyped-call]
        job.job_type = "TriggererJob"
        session.add(job)
    try:
        assert marks(run("doctor", "--output", "json"))["triggerer"] == "ok"
    finally:
        with create_session() as session:
            session.query(Job).delete()
