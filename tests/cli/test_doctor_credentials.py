"""What the commands say of a role that cannot be assumed, and of credentials that a service refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.cli.conftest import Run, marks, texts
from tests.samples import APP
from tests.sts import Sts

ROLE = "arn:aws:iam::111122223333:role/airflow-amplify"
DENIED = f"User: arn:aws:sts::1:assumed-role/mwaa/x is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
INVALID = "The security token included in the request is invalid."
SECRET = "hunter2-hunter2"


@pytest.fixture
def sts(aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    """An STS that refuses to let the role of `aws_default` be assumed."""
    with Sts(refuses=("AccessDenied", DENIED)).running() as refusing:
        settings: dict[str, Any] = {
            "role_arn": ROLE,
            "service_config": {"sts": {"endpoint_url": refusing.endpoint_url}},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(aws.endpoint_url, **settings))
        yield refusing


@pytest.mark.parametrize(
    "refusal",
    [
        ("AccessDenied", DENIED),
        ("InvalidClientTokenId", INVALID),
        ("ExpiredToken", "The provided token has expired."),
        ("Throttling", "Rate exceeded"),
        ("Some Thing", "else"),
    ],
)
def test_a_role_that_cannot_be_assumed_is_told_with_all_that_sts_says(
    run: Run, sts: Sts, refusal: tuple[str, str]
) -> None:
    sts.refuses = refusal
    ended = run("doctor", "--output", "json")
    assert (ended.status, ended.errors) == (1, "")
    assert (marks(ended)["connection"], marks(ended)["credentials"]) == ("ok", "WRONG")
    assert texts(ended)["credentials"] == f"role {ROLE} cannot be assumed: sts:AssumeRole: {': '.join(refusal)}"
    assert "triggerer" in marks(ended)


def test_a_secret_in_what_sts_says_is_not_shown(run: Run, sts: Sts) -> None:
    sts.refuses = ("AccessDenied", f"You have sent password={SECRET} to https://ann:{SECRET}@sts.example.com")
    for command in (("doctor",), ("plan", APP), ("reap", "--name", "pr*", "--older-than", "3d"), ("inventory",)):
        ended = run(*command)
        assert ended.status == 1
        assert "AccessDenied" in ended.output + ended.errors
        assert SECRET not in ended.output + ended.errors


def test_an_sts_that_cannot_be_reached(run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"role_arn": ROLE, "service_config": {"sts": {"endpoint_url": "http://127.0.0.1:1"}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(aws.endpoint_url, **settings))
    ended = run("doctor", "--output", "json")
    assert ended.status == 1
    assert texts(ended)["credentials"].startswith(f"role {ROLE} cannot be assumed: EndpointConnectionError: ")


@pytest.mark.parametrize(
    "command", [("plan", APP), ("plan", APP, "staging"), ("reap", "--name", "pr*", "--older-than", "3d")]
)
def test_the_other_commands_name_the_action_that_was_refused(run: Run, sts: Sts, command: tuple[str, ...]) -> None:
    ended = run(*command)
    assert (ended.status, ended.output) == (1, "")
    assert "sts:AssumeRole" in ended.errors
    assert "AccessDenied" in ended.errors
    assert "ListApps" not in ended.errors
    assert len(ended.errors.splitlines()) == 1


def test_an_inventory_names_the_action_that_was_refused(run: Run, sts: Sts) -> None:
    ended = run("inventory", "--output", "jsonl")
    assert ended.status == 1
    assert "sts:AssumeRole (AccessDenied)" in json.dumps(json.loads(ended.output))


# ------------------------------------------------------------------------------------------ what the service says


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("UnrecognizedClientException", INVALID),
        ("ExpiredTokenException", "The security token included in the request is expired"),
        ("ExpiredToken", "The provided token has expired."),
        ("InvalidClientTokenId", INVALID),
        ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    ],
)
def test_refused_credentials_are_told_in_full(run: Run, aws: LocalAmplifyBackend, code: str, message: str) -> None:
    aws.control.add_fault(kind="error", status=403, code=code, message=message)
    ended = run("doctor", "--output", "json")
    assert ended.status == 1
    assert texts(ended)["credentials"] == f"refused or missing: {code}: {message}"


def test_a_read_whose_name_sounds_like_a_secret_is_told_with_its_error(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.add_fault("GetToken", kind="error", status=500, code="InternalFailure", message="sorry")
    assert texts(run("doctor", "--output", "json"))["unclear"] == "GetToken: InternalFailure"


def test_what_ends_a_deletion_is_told_in_full(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, {"name": "pr1", "age_seconds": 8 * 3600})
    message = "Request is missing Authentication Token"
    aws.control.add_fault("GetBackendJob", kind="error", status=403, code="MissingAuthenticationToken", message=message)
    ended = run("reap", "--name", "pr*", "--older-than", "6h", "--yes-delete", "--output", "json")
    assert ended.status == 1
    assert f"MissingAuthenticationToken: {message}" in ended.output


def test_secrets_in_what_the_service_says_are_not_shown(run: Run, aws: LocalAmplifyBackend) -> None:
    for operation in ("GetBackend", "GetToken"):
        message = f'{{"ClientSecret": "{SECRET}"}} token={SECRET} at https://ann:{SECRET}@example.com'
        aws.control.add_fault(operation, kind="error", status=403, code="InvalidSignatureException", message=message)
    for command in (("doctor",), ("doctor", "--app-id", APP), ("plan", APP), ("reap", "--app-id", APP)):
        ended = run(*command)
        assert ended.status == 1
        assert SECRET not in ended.output + ended.errors
