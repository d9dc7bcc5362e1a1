"""What `doctor` says of a connection that is damaged, of another type, or where nobody can look it up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.cli.conftest import Run, marks, texts

SCRIPT = "airflow_provider_amplifybackend.cli.main"
SECRET = "hunter2-hunter2"
# Instead of a connection.
BOTO3 = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def boto3_s_own(aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What boto3 finds by itself where there is no connection."""
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    variables = BOTO3 | {"AWS_ENDPOINT_URL": aws.endpoint_url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def dead_database(tmp_path: Path) -> dict[str, str]:
    """A database that cannot be opened, for a process."""
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/nosuch/airflow.db"}


# ------------------------------------------------------------------------------------ settings that cannot be used


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"endpoint_url": "127.0.0.1"}, "endpoint_url='127.0.0.1'"),
        ({"endpoint_url": f"ftp://host/?password={SECRET}"}, "endpoint_url='ftp://host/?password=***"),
        ({"verify": "/nosuch/ca.pem"}, "verify='/nosuch/ca.pem'"),
        ({"profile_name": "nosuch"}, "ProfileNotFound"),
        ({"config_kwargs": {"no_such_option": 1}}, "no_such_option"),
        ({"config_kwargs": {"client_cert": "/nosuch/cert.pem"}}, "client_cert='/nosuch/cert.pem'"),
        ({"role_arn": "arn:aws:iam::1:role/r", "assume_role_method": "by_wish"}, "by_wish"),
        ({"config_kwargs": {"proxies": {"http": f"http://ann:{SECRET}@proxy:port"}}}, ""),
    ],
)
@pytest.mark.parametrize("output", ["json", "text"])
def test_an_extra_that_cannot_be_used_is_one_row(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], told: str, output: str
) -> None:
    members = json.loads(connection_json(aws.endpoint_url))
    members["extra"] |= extra
    if "profile_name" in extra:
        del members["login"], members["password"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(members))
    ended = run("doctor", "--output", output)
    assert (ended.status, ended.errors) == (1, "")
    assert SECRET not in ended.output
    assert "Traceback" not in ended.output
    if output == "json" and told:
        assert marks(ended).keys() == {"connection", "triggerer"}
        assert marks(ended)["connection"] == "WRONG"
        assert told in texts(ended)["connection"]


def test_an_extra_that_is_no_json_is_not_taken_for_an_empty_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": SECRET, "extra": f"{{region: {SECRET}"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(members))
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["connection"]) == (1, "WRONG")
    assert SECRET not in ended.output


def test_a_connection_of_another_type_is_a_warning(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = json.loads(connection_json(aws.endpoint_url)) | {"conn_type": "postgres"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(members))
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["connection"]) == (0, "warning")
    assert texts(ended)["connection"] == "aws_default was found, but its type is 'postgres', not 'aws'"


# -------------------------------------------------------------------------------------- whether it was looked up


def test_a_default_connection_that_is_not_there(run: Run, boto3_s_own: dict[str, str]) -> None:
    ended = run("doctor", "--output", "json")
    assert (ended.status, marks(ended)["connection"]) == (0, "ok")
    assert texts(ended)["connection"] == "aws_default does not exist; boto3's own credentials are used"


@pytest.mark.parametrize("conn_id", ["aws_default", "team_aws"])
def test_a_value_that_does_not_parse_is_no_missing_connection(
    run: Run, boto3_s_own: dict[str, str], monkeypatch: pytest.MonkeyPatch, conn_id: str
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", f'{{"password": "{SECRET}"')
    ended = run("doctor", "--aws-conn-id", conn_id, "--output", "json")
    assert (ended.status, marks(ended)["connection"]) == (1, "WRONG")
    assert texts(ended)["connection"].startswith(f"{conn_id} cannot be looked up: EnvironmentVariablesBackend: ")
    assert SECRET not in ended.output


@pytest.mark.parametrize(("conn_id", "status", "mark"), [("aws_default", 0, "warning"), ("team_aws", 1, "WRONG")])
def test_a_database_that_cannot_be_reached_says_nothing_about_a_connection(
    run_process: Run,
    boto3_s_own: dict[str, str],
    dead_database: dict[str, str],
    conn_id: str,
    status: int,
    mark: str,
) -> None:
    ended = run_process(SCRIPT, "doctor", "--aws-conn-id", conn_id, "--output", "json", **boto3_s_own, **dead_database)
    assert (ended.status, marks(ended)["connection"]) == (status, mark)
    assert texts(ended)["connection"].startswith(f"{conn_id} cannot be looked up: Airflow's database: OperationalError")
    assert "does not exist" not in texts(ended)["connection"]
    assert SECRET not in ended.output + ended.errors
