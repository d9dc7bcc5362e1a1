"""What no request could name is not there: neither from the start, nor from a seed, nor from a request."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local.test_cli import refusal
from tests.samples import APP

UNASKABLE = ["..", ".", "../x", "x/..", "x\\..\\y", "%2e%2e", "a%252f..", "..;v=1", " ", "\t", ""]


@pytest.mark.parametrize("app_id", UNASKABLE)
def test_an_app_of_the_start_has_a_name(app_id: str) -> None:
    with pytest.raises(ValueError, match="the id of an app must") as refused:
        LocalAmplifyBackend(apps=["d1", app_id])
    assert not app_id or repr(app_id) in str(refused.value)


def test_the_command_says_why_it_does_not_take_an_app() -> None:
    said = refusal("--app", "../x")
    assert said == "the id of an app must have no dot segments, not '../x': the service refuses each request for it\n"
    assert "the id of an app must have 1 to 255 characters, not 256" in refusal("--app", "x" * 256)


@pytest.mark.parametrize("name", UNASKABLE)
@pytest.mark.parametrize(
    ("what", "seeded"),
    [
        ("app_id", lambda name: {"app_id": name}),
        ("an environment's name", lambda name: {"app_id": "dnew", "environments": [name]}),
        ("a job's environment", lambda name: {"app_id": "dnew", "jobs": [{"environment": name}]}),
        ("job_id", lambda name: {"app_id": "dnew", "jobs": [{"environment": "dev", "job_id": name}]}),
        ("a branch's name", lambda name: {"app_id": "dnew", "branches": [name]}),
    ],
)
def test_a_seed_makes_nothing_that_cannot_be_named(
    backend: LocalAmplifyBackend, what: str, seeded: Any, name: str
) -> None:
    before = backend.control.state()
    with pytest.raises(ControlError, match=f"^{what} must"):
        backend.control.seed(apps=["dother", seeded(name)])
    assert backend.control.state() == before


@pytest.mark.parametrize("name", ["../x", "x/..", "%2e%2e", "..;v=1"])
def test_a_request_makes_nothing_that_the_next_one_cannot_name(
    backend: LocalAmplifyBackend, client: Any, name: str
) -> None:
    with pytest.raises(client.exceptions.BadRequestException, match="BackendEnvironmentName must have no dot segments"):
        client.create_backend(AppId=APP, AppName="a", BackendEnvironmentName=name)
    with pytest.raises(client.exceptions.BadRequestException, match="AppId must have no dot segments"):
        client.create_backend(AppId=name, AppName="a", BackendEnvironmentName="dev")
    assert backend.control.jobs() == []


@pytest.mark.parametrize("name", ["a.b", "...", ".env", "a..b", "50%", "feature/x", "naïve", "\U0001f41f"])
def test_odd_names_that_can_be_asked_for_are_taken(backend: LocalAmplifyBackend, client: Any, name: str) -> None:
    backend.control.seed_app(name, name, jobs=[{"environment": name, "job_id": name}])
    assert client.get_backend(AppId=name)["BackendEnvironmentList"] == [name]
    assert client.get_backend_job(AppId=name, BackendEnvironmentName=name, JobId=name)["Status"] == "COMPLETED"


def test_a_scripted_row_still_shows_any_job_id(backend: LocalAmplifyBackend, client: Any) -> None:
    job = {"environment": "staging", "row": {"JobId": "../x"}}
    backend.control.seed(apps=[{"app_id": APP, "jobs": [job]}])
    (row,) = client.list_backend_jobs(AppId=APP, BackendEnvironmentName="staging")["Jobs"]
    assert row["JobId"] == "../x"
