"""What is unknown of the real service can be played either way; clock, seed and reset."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.control import ControlError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local import raw
from tests.samples import APP, auth_change

STAGING = {"AppId": APP, "BackendEnvironmentName": "staging"}
Finish = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize("answer_in", ["source", "target"])
@pytest.mark.parametrize("job_in", ["source", "target"])
def test_where_a_clones_job_lives(backend: LocalAmplifyBackend, client: Any, answer_in: str, job_in: str) -> None:
    backend.control.set(clone_answer_environment=answer_in, clone_job_environment=job_in)
    names = {"source": "staging", "target": "copy"}
    answer = client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    assert answer["BackendEnvironmentName"] == names[answer_in]
    job = {"AppId": APP, "JobId": answer["JobId"]}
    assert client.get_backend_job(**job, BackendEnvironmentName=names.pop(job_in))["JobId"] == answer["JobId"]
    (other,) = names.values()
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend_job(**job, BackendEnvironmentName=other)


def test_what_a_gone_environment_answers(backend: LocalAmplifyBackend, client: Any) -> None:
    gone = {"AppId": APP, "BackendEnvironmentName": "gone"}
    for code in ("NotFoundException", "ValidationException"):
        backend.control.set(gone_environment=code)
        with pytest.raises(ClientError) as refusal:
            client.get_backend(**gone)
        assert refusal.value.response["Error"]["Code"] == code
    backend.control.set(gone_environment="absent")
    answer = client.get_backend(**gone)
    assert answer["BackendEnvironmentList"] == ["staging"]
    assert "AmplifyMetaConfig" not in answer


def test_whether_an_environment_appears_at_the_start(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set(environment_appears="completion")
    client.clone_backend(**STAGING, TargetEnvironmentName="copy")
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging"]
    backend.control.advance(60)
    assert client.get_backend(AppId=APP)["BackendEnvironmentList"] == ["staging", "copy"]


def test_jobs_of_deleted_environments_can_be_unreadable(
    backend: LocalAmplifyBackend, client: Any, finish: Finish
) -> None:
    backend.control.set(deleted_environment_jobs="NotFoundException")
    with pytest.raises(client.exceptions.NotFoundException):
        finish(client.delete_backend(**STAGING))
    with pytest.raises(client.exceptions.NotFoundException):
        client.list_backend_jobs(**STAGING)


@pytest.mark.parametrize(("where", "readable"), [("every", {"one", "two"}), ("first", {"one"}), ("last", {"two"})])
def test_where_the_job_of_remove_all_backends_lives(
    backend: LocalAmplifyBackend, client: Any, where: str, readable: set[str]
) -> None:
    backend.control.seed_app("dmany", "one", "two")
    backend.control.set(remove_all_job_environment=where)
    job_id = client.remove_all_backends(AppId="dmany")["JobId"]
    found = set()
    for name in ("one", "two"):
        try:
            client.get_backend_job(AppId="dmany", BackendEnvironmentName=name, JobId=job_id)
            found.add(name)
        except client.exceptions.NotFoundException:
            pass
    assert found == readable


def test_remove_all_backends_of_an_app_without_any(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.seed_app("dempty")
    job = {"AppId": "dempty", "JobId": client.remove_all_backends(AppId="dempty")["JobId"]}
    backend.control.advance(60)
    assert client.get_backend_job(**job, BackendEnvironmentName="any")["Status"] == "COMPLETED"


@pytest.mark.parametrize(("style", "has"), [("always", True), ("never", False)])
def test_whether_answers_name_their_operation(backend: LocalAmplifyBackend, client: Any, style: str, has: bool) -> None:
    backend.control.set(operation_in_answers=style)
    assert ("Operation" in client.delete_backend(**STAGING)) is has


def test_update_backend_job_can_be_ignored(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set(update_job="ignored")
    job = {**STAGING, "JobId": client.delete_backend(**STAGING)["JobId"]}
    assert client.update_backend_job(**job, Status="FAILED")["Status"] == "PENDING"


def test_auth_without_additional_constraints(
    backend: LocalAmplifyBackend, client: Any, finish: Finish, auth_config: dict[str, Any]
) -> None:
    finish(client.create_backend_auth(**STAGING, ResourceName="new", ResourceConfig=auth_config))
    backend.control.set(auth_omits_additional_constraints=True)
    config = client.get_backend_auth(**STAGING, ResourceName="new")["ResourceConfig"]
    assert config["UserPoolConfigs"]["PasswordPolicy"] == {"MinimumLength": 12.0}


@pytest.mark.parametrize(
    ("style", "pattern"),
    [("epoch_seconds", r"\d{10}"), ("epoch_milliseconds", r"\d{13}"), ("iso", r"\d{4}-\d\d-\d\dT[\d:.]+Z")],
)
def test_the_forms_of_times(backend: LocalAmplifyBackend, client: Any, style: str, pattern: str) -> None:
    backend.control.set(ttl_format=style, creation_date_format=style)
    assert re.fullmatch(pattern, client.create_token(AppId=APP)["Ttl"])
    assert re.fullmatch(pattern, client.list_s3_buckets()["Buckets"][0]["CreationDate"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nonsense": 1}, "there are:"),
        ({"gone_environment": "maybe"}, "must be one of"),
        ({"job_seconds": {"GetBackend": 1}}, "no job operation"),
        ({"job_seconds": -1}, "at least 0"),
        ({"token_seconds": "soon"}, "must be a number"),
    ],
)
def test_a_wrong_switch_is_refused_and_changes_nothing(
    backend: LocalAmplifyBackend, change: dict[str, Any], says: str
) -> None:
    before = backend.control.settings()
    with pytest.raises(ControlError, match=says):
        backend.control.set(update_job="ignored", **change)
    assert backend.control.settings() == before


def test_a_new_skew_neither_ends_nor_delays_a_job(backend: LocalAmplifyBackend, client: Any) -> None:
    backend.control.set(job_seconds=10)
    job = {**STAGING, "JobId": client.delete_backend(**STAGING)["JobId"]}
    backend.control.set_clock(skew_seconds=3600)
    assert client.get_backend_job(**job)["Status"] == "PENDING"
    backend.control.set_clock(skew_seconds=-3600)
    backend.control.advance(10)
    assert client.get_backend_job(**job)["Status"] == "COMPLETED"


def test_time_stands_still_when_frozen_and_goes_on_after(backend: LocalAmplifyBackend) -> None:
    control = backend.control
    assert control.clock()["time"] == control.clock()["time"]
    before = control.clock()["time"]
    assert control.advance(100)["time"] == pytest.approx(before + 100)
    after = control.set_clock(frozen=False)["time"]
    assert before + 100 <= after < before + 200
    with pytest.raises(ControlError, match="runs forward"):
        control.advance(-1)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"nonsense": 1}, "the seed has no nonsense"),
        ({"apps": [{}]}, "an app needs app_id"),
        ({"apps": [{"app_id": "d", "environments": [{"name": "e", "auth": {"x": {}}}]}]}, "AuthResources"),
        ({"apps": [{"app_id": "d", "jobs": [{"environment": "e", "operation": "GetBackend"}]}]}, "starts no job"),
    ],
)
def test_a_wrong_seed_is_refused(backend: LocalAmplifyBackend, document: dict[str, Any], says: str) -> None:
    with pytest.raises(ControlError, match=says):
        backend.control.seed(document)


@pytest.mark.parametrize(
    "bad",
    [
        {"apps": ["dnew", 5]},
        {"apps": ["dnew", {"app_id": ""}]},
        {"apps": ["dnew", {"app_id": "x" * 256}]},
        {"apps": ["dnew", {"app_id": None}]},
        {"apps": ["dnew", {"app_id": "d", "config": 5}]},
        {"apps": ["dnew", {"app_id": "d", "config": {"Colour": "red"}}]},
        {"apps": ["dnew", {"app_id": "d", "environments": "staging"}]},
        {"apps": ["dnew", {"app_id": "d", "environments": [5]}]},
        {"apps": ["dnew", {"app_id": "d", "environments": [{"name": "e", "auth": ["x"]}]}]},
        {"apps": ["dnew", {"app_id": "d", "environments": [{"name": "e", "meta": 5}]}]},
        {"apps": ["dnew", {"app_id": "d", "environments": [{"name": "e", "storage": {"x": {}}}]}]},
        {"apps": ["dnew", {"app_id": "d", "jobs": [{"environment": "e", "age_seconds": "old"}]}]},
        {"apps": ["dnew", {"app_id": "d", "jobs": [{"environment": "e", "seconds": 1e300}]}]},
        {"apps": ["dnew", {"app_id": "d", "jobs": [{"environment": "e", "status": []}]}]},
        {"apps": ["dnew", {"app_id": "d", "jobs": [{"environment": "e", "job_id": "one"}] * 2}]},
        {"apps": ["dnew"], "buckets": [5]},
        {"apps": ["dnew"], "account": 5},
    ],
)
def test_a_seed_that_is_refused_has_made_nothing(backend: LocalAmplifyBackend, bad: dict[str, Any]) -> None:
    before = backend.control.state()
    with pytest.raises(ControlError):
        backend.control.seed(bad)
    assert backend.control.state() == before
    assert backend.control.jobs() == []


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "1e300", "1e15", "-1e15", "true", '"5"', "null"]
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/clock", '{"skew_seconds": %s}'),
        ("PATCH", "/clock", '{"frozen": true, "skew_seconds": %s}'),
        ("POST", "/clock/advance", '{"seconds": %s}'),
        ("PATCH", "/settings", '{"job_seconds": %s}'),
        ("PATCH", "/settings", '{"token_seconds": 5, "job_seconds": {"DeleteBackend": 5, "CloneBackend": %s}}'),
        ("PATCH", "/settings", '{"token_seconds": %s}'),
        ("PATCH", "/settings", '{"bucket_page_size": %s}'),
        ("POST", "/faults", '{"kind": "delay", "seconds": %s}'),
        ("POST", "/faults", '{"kind": "throttle", "probability": %s}'),
    ],
)
def test_a_number_that_is_none_is_refused_and_changes_nothing(
    backend: LocalAmplifyBackend, client: Any, method: str, path: str, body: str, number: str
) -> None:
    control = backend.control
    control.set_clock(frozen=True, skew_seconds=5)
    before = control.clock(), control.settings(), control.faults()
    answer = raw.control(backend, method, path, (body % number).encode())
    assert answer.status == 400
    assert answer.content["error"]
    assert (control.clock(), control.settings(), control.faults()) == before
    client.get_backend(AppId=APP)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, "5"])
def test_settings_are_checked_without_http_too(seconds: Any) -> None:
    with pytest.raises(ValueError, match="job_seconds"):
        LocalAmplifyBackend(job_seconds=seconds)


def test_the_clock_stays_where_a_time_can_be_written(backend: LocalAmplifyBackend, client: Any) -> None:
    century = 3_000_000_000

    def advance() -> None:
        for _ in range(20):
            backend.control.advance(century)

    with pytest.raises(ControlError, match="between the years 1970 and 3000"):
        advance()
    client.create_token(AppId=APP)
    with pytest.raises(ControlError, match="between the years"):
        backend.control.set_clock(skew_seconds=century)
    assert backend.control.clock()["skew_seconds"] == 0


def test_a_boolean_switch_takes_no_number(backend: LocalAmplifyBackend) -> None:
    with pytest.raises(ControlError, match="must be one of False, True, not 1"):
        backend.control.set(native_client_secret=1)


def test_native_clients_can_have_a_secret(
    backend: LocalAmplifyBackend, client: Any, auth_config: dict[str, Any]
) -> None:
    backend.control.set(native_client_secret=True)
    named = {**STAGING, "ResourceName": "guests", "ResourceConfig": auth_config}
    change = auth_change()
    imported = {"NativeClientId": "n", "WebClientId": "w", "UserPoolId": "us-east-1_P"}
    starts: tuple[Callable[[], Any], ...] = (
        lambda: client.create_backend_auth(**named),
        lambda: client.update_backend_auth(**{**named, "ResourceConfig": change}),
        lambda: client.import_backend_auth(**STAGING, **imported),
    )
    for start in starts:
        start()
        backend.control.advance(60)
    auth = json.loads(client.get_backend(**STAGING)["AmplifyMetaConfig"])["auth"]
    secrets = {name: entry["output"].get("AppClientSecret") for name, entry in auth.items()}
    assert secrets.pop("main") is None, "it was there before"
    assert len(secrets) == 2
    assert {len(secret) for secret in secrets.values()} == {51}


REAL = {"auth": {"guests": {"output": {"AppClientSecret": "x" * 51}}}, "function": {}, "größe": "🐟"}


@pytest.mark.parametrize(
    ("meta", "answered"),
    [
        (REAL, json.dumps(REAL, separators=(",", ":"), ensure_ascii=False)),
        ({}, "{}"),
        ('{"providers": {"spaces": 1}}', '{"providers": {"spaces": 1}}'),
        ("no JSON \ud800\x00", "no JSON \ud800\x00"),
        ("", ""),
    ],
)
def test_an_environment_can_have_any_meta(backend: LocalAmplifyBackend, client: Any, meta: Any, answered: str) -> None:
    backend.control.seed_app(APP, {"name": "real", "meta": meta})
    assert client.get_backend(AppId=APP, BackendEnvironmentName="real")["AmplifyMetaConfig"] == answered
    client.delete_backend(AppId=APP, BackendEnvironmentName="real")
    backend.control.advance(60)
    client.create_backend(AppId=APP, AppName="a", BackendEnvironmentName="real")
    made = client.get_backend(AppId=APP, BackendEnvironmentName="real")["AmplifyMetaConfig"]
    assert json.loads(made)["providers"]["awscloudformation"]["AmplifyAppId"] == APP


def test_the_journal_filters(backend: LocalAmplifyBackend, client: Any) -> None:
    client.get_backend(**STAGING)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_backend(AppId=APP, BackendEnvironmentName="none")
    client.create_token(AppId=APP)
    control = backend.control
    everything = control.journal()
    assert [entry["operation"] for entry in everything] == ["GetBackend", "GetBackend", "CreateToken"]
    assert everything[0]["parameters"] == STAGING
    assert len(control.journal("GetBackend")) == 2
    assert len(control.journal("GetBackend", effective=True)) == 1
    assert len(control.journal(environment="none")) == 1
    assert len(control.journal(app_id="dnone")) == 0
    assert [entry["operation"] for entry in control.journal(after=everything[1]["seq"])] == ["CreateToken"]
    control.clear_journal()
    assert control.journal() == []


def test_reset_forgets_everything(backend: LocalAmplifyBackend, client: Any) -> None:
    control = backend.control
    start = control.settings()["job_seconds"]
    control.set(job_seconds=99)
    control.add_fault("GetBackend", kind="throttle")
    control.set_clock(skew_seconds=1000)
    control.reset()
    assert control.state() == control.jobs() == control.faults() == control.journal() == []
    assert control.settings()["job_seconds"] == start
    assert control.clock()["skew_seconds"] == 0
    assert control.clock()["frozen"] is False


def test_the_state_shows_what_is_there(backend: LocalAmplifyBackend) -> None:
    (store,) = backend.control.state()
    (environment,) = store["apps"][0]["environments"]
    assert environment["name"] == "staging"
    assert environment["auth"]["main"]["outputs"]["UserPoolId"].startswith("us-east-1_")


def test_strict_apps_know_only_what_they_are_told() -> None:
    with LocalAmplifyBackend(strict_apps=True, apps=["dknown"], job_seconds=0) as strict:
        client = strict.client()
        client.create_backend(AppId="dknown", AppName="known", BackendEnvironmentName="dev")
        with pytest.raises(client.exceptions.NotFoundException) as refusal:
            client.create_backend(AppId="dother", AppName="other", BackendEnvironmentName="dev")
        assert refusal.value.response["ResourceType"] == "App"
        strict.control.reset()
        assert client.get_backend(AppId="dknown")["BackendEnvironmentList"] == []


def test_the_server_can_be_started_again_after_it_stopped() -> None:
    service = LocalAmplifyBackend()
    with pytest.raises(RuntimeError, match="not running"):
        _ = service.endpoint_url
    for _ in range(2):
        with service:
            assert service.control.health()["status"] == "ok"
