"""Snapshots and comparisons against the local service: what is in them, what never is, and when a comparison fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.samples import APP, auth

SECRET = "hush-google-hush"
KEY = "a key of enough letters"
OAUTH = {
    "OAuthGrantType": "CODE",
    "OAuthScopes": ["OPENID", "EMAIL"],
    "RedirectSignInURIs": ["https://example.com/"],
    "RedirectSignOutURIs": ["https://example.com/out/"],
    "SocialProviderSettings": {"Google": {"ClientId": "google", "ClientSecret": SECRET}},
}
API = {"ApiName": "shop", "DefaultAuthType": {"Mode": "API_KEY"}, "Service": "AppSync"}
SCHEMA = "type Todo @model { id: ID! name: String! }"
IMPORTS = """
from airflow_provider_amplifybackend.operators.snapshot import CompareBackendsOperator, SnapshotBackendOperator
"""
SNAPSHOT = (
    IMPORTS
    + """
snapshot = SnapshotBackendOperator(
    task_id="snapshot", app_id=APP, backend_environment_name={environment!r}, path={path!r}, {options}
)
"""
)
COMPARE = (
    IMPORTS
    + """
compare = CompareBackendsOperator(task_id="compare", left={left!r}, right={right!r}, {options})
"""
)
STAGING = {"app_id": APP, "backend_environment_name": "staging"}


def environment(name: str = "staging", *, schema: str = SCHEMA, secret: str = SECRET, **pool: Any) -> dict[str, Any]:
    google = {"Google": {"ClientId": "google", "ClientSecret": secret}}
    return {
        "name": name,
        "auth": {"people": auth(OAuth=OAUTH | {"SocialProviderSettings": google}, **pool)},
        "api": {"shop": API | {"TransformSchema": schema}},
        "storage": {"files": None},
    }


@pytest.fixture
def full(service: LocalAmplifyBackend) -> LocalAmplifyBackend:
    service.control.reset()
    service.control.set(job_seconds=0.1)
    service.control.seed_app(APP, environment())
    return service


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__SNAPSHOT_KEY", KEY)


@pytest.fixture
def take(dags: DagRunner) -> Callable[..., Finished]:
    def run(path: Path, environment: str = "staging", options: str = "") -> Finished:
        return dags.run(SNAPSHOT.format(environment=environment, path=str(path), options=options))

    return run


@pytest.fixture
def compare(dags: DagRunner) -> Callable[..., Finished]:
    def run(left: Any, right: Any, options: str = "") -> Finished:
        return dags.run(COMPARE.format(left=left, right=right, options=options))

    return run


def written(path: Path) -> Any:
    (file,) = path.glob("*.snapshot.json")
    return json.loads(file.read_text())


def paths(run: Finished) -> dict[str, str]:
    return {one["path"]: one["change"] for one in run.xcom("compare")["differences"]}


# Snapshots


def test_a_snapshot_has_all_that_the_service_tells(take: Callable[..., Finished], full: Any, tmp_path: Path) -> None:
    found = take(tmp_path).xcom("snapshot")
    assert found["path"] == f"{tmp_path}/{APP}_staging.snapshot.json"
    assert (found["resources"], found["digests"], found["unreadable"]) == (3, None, [])
    document = written(tmp_path)
    content = document["content"]
    assert (document["kind"], document["version"]) == ("amplifybackend snapshot", 1)
    assert content["auth"]["people"]["ResourceConfig"]["UserPoolConfigs"]["UserPoolName"] == "people"
    assert content["api"]["shop"]["ResourceConfig"]["TransformSchema"] == SCHEMA
    assert content["models"]["shop"]["Status"]
    assert content["storage"]["files"]["ResourceConfig"]["ServiceName"] == "S3"
    assert content["environment"]["AmplifyMetaConfig"]["providers"]["awscloudformation"]["StackName"]
    assert content["environment"]["AmplifyFeatureFlags"]["features"]


def test_no_secret_is_in_a_snapshot_and_each_is_named(
    take: Callable[..., Finished], full: Any, tmp_path: Path, with_key: None
) -> None:
    run = take(tmp_path)
    (file,) = tmp_path.iterdir()
    text = file.read_text() + json.dumps([run.xcom("snapshot"), run.messages("info")])
    assert SECRET not in text
    assert KEY not in text
    assert not re.search("da2-[a-z0-9]{20}", text)
    manifest = written(tmp_path)["manifest"]
    assert manifest["key"]["name"] == "[amplifybackend] snapshot_key"
    secrets = {entry["name"]: entry for entry in manifest["secrets"]}
    assert {"ClientSecret", "GraphQLAPIKeyOutput"} <= set(secrets)
    assert secrets["ClientSecret"]["path"].startswith("auth.people.ResourceConfig.UserPoolConfigs.OAuth")
    assert all(len(entry["hmac"]) == 64 for entry in manifest["secrets"])


def test_without_a_key_no_digest_is_written(take: Callable[..., Finished], full: Any, tmp_path: Path) -> None:
    take(tmp_path)
    manifest = written(tmp_path)["manifest"]
    assert manifest["key"] is None
    assert manifest["secrets"]
    assert not any("hmac" in entry for entry in manifest["secrets"])


def test_the_key_can_be_the_password_of_a_connection(
    take: Callable[..., Finished], full: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DIGESTS", json.dumps({"conn_type": "generic", "password": KEY}))
    found = take(tmp_path, options="snapshot_key_conn_id='digests'").xcom("snapshot")
    assert found["digests"] == "the password of the connection 'digests'"


def test_a_key_that_is_too_short_is_refused_and_not_shown(
    take: Callable[..., Finished], full: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__SNAPSHOT_KEY", "tooshort")
    error = take(tmp_path).error("snapshot")
    assert "needs at least 16 characters" in error
    assert "tooshort" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_cannot_be_read_writes_nothing_or_is_named(
    take: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    full.control.add_fault("GetBackendAuth", kind="denied")
    assert "auth people of environment staging" in take(tmp_path).error("snapshot")
    assert list(tmp_path.iterdir()) == []
    found = take(tmp_path, options="on_error='report'").xcom("snapshot")
    assert [gap["path"] for gap in found["unreadable"]] == ["auth.people"]
    assert written(tmp_path)["content"]["auth"] == {}


def test_an_environment_that_does_not_exist_has_no_snapshot(
    take: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    assert "there is no environment nobody" in take(tmp_path, "nobody").error("snapshot")


def test_a_snapshot_that_cannot_be_written_leaves_the_one_before(
    take: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    take(tmp_path)
    (file,) = tmp_path.iterdir()
    before = file.read_text()
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    assert "BackendStorageError" in take(blocked / "folder").error("snapshot")
    assert file.read_text() == before


# Comparisons


def test_an_environment_equals_its_own_snapshot(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path, with_key: None
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    run = compare(path, STAGING, "fail_on='doubt'")
    assert run.state == "success", run.errors("compare")
    assert run.xcom("compare")["equal"] is True
    assert any("no difference" in message for message in run.messages("info"))


def test_what_somebody_changed_by_hand_is_exactly_what_is_found(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path, with_key: None
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    full.control.seed_app(
        APP, environment(schema=SCHEMA + " type Extra @model { id: ID! }", SignInMethod="PHONE_NUMBER")
    )
    run = compare(path, STAGING)
    assert run.state == "success"
    assert {
        "auth.people.ResourceConfig.UserPoolConfigs.SignInMethod": "changed",
        "api.shop.ResourceConfig.TransformSchema": "changed",
    }.items() <= paths(run).items()
    assert not [path for path in paths(run) if path.startswith("storage")]
    assert any("SignInMethod: EMAIL -> PHONE_NUMBER" in message for message in run.messages("info"))


def test_drift_fails_the_task_at_once_if_it_shall(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    full.control.seed_app(APP, environment(SignInMethod="PHONE_NUMBER"))
    run = compare(path, STAGING, "fail_on='difference', retries=3")
    assert run.tries["compare"] == 1
    assert "BackendDriftError" in run.error("compare")
    assert "SignInMethod: EMAIL -> PHONE_NUMBER" in run.error("compare")


def with_tables(*guests: str) -> dict[str, Any]:
    """An environment whose storage is twenty tables and, after them, a bucket in which guests may do this."""
    tables = {f"table{number}": {"service": "DynamoDB"} for number in range(20)}
    permissions = {"Authenticated": ["READ"], "UnAuthenticated": guests}
    return {
        "name": "staging",
        "meta": {"storage": {**tables, "files": {"service": "S3"}}},
        "storage": {"files": {"Permissions": permissions, "ServiceName": "S3"}},
    }


def test_a_bucket_behind_many_tables_is_in_a_snapshot_and_its_rights_are_compared(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    full.control.seed_app(APP, with_tables("READ"))
    found = take(tmp_path).xcom("snapshot")
    assert set(written(tmp_path)["content"]["storage"]) == {"files"}
    full.control.seed_app(APP, with_tables("READ", "DELETE"))
    error = compare(found["path"], STAGING, "fail_on='difference'").error("compare")
    assert "BackendDriftError" in error
    assert "+ storage.files.ResourceConfig.Permissions.UnAuthenticated[]: DELETE" in error


def test_what_does_not_matter_can_be_ignored(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    full.control.seed_app(APP, environment(SignInMethod="PHONE_NUMBER"))
    ignore = "ignore=['auth.*', '*secret*', 'environment.AmplifyMetaConfig.*'], fail_on='doubt'"
    assert compare(path, STAGING, ignore).state == "success"


@pytest.mark.parametrize("ignore", ["[]", "'[]'", "'{{ [] | tojson }}'"])
def test_an_empty_list_ignores_nothing(
    compare: Callable[..., Finished], full: Any, with_key: None, ignore: str
) -> None:
    run = compare(STAGING, STAGING, f"ignore={ignore}")
    assert run.state == "success", run.errors("compare")
    assert run.xcom("compare")["equal"] is True


def test_a_changed_secret_is_seen_and_never_shown(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path, with_key: None
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    full.control.seed_app(APP, environment(secret="another-one-altogether"))
    run = compare(path, STAGING)
    changed = [path for path, change in paths(run).items() if change == "changed"]
    assert [path.rpartition(".")[2] for path in changed] == ["ClientSecret (secret)"]
    shown = json.dumps([run.xcom("compare"), run.messages("info")])
    assert SECRET not in shown
    assert "another-one-altogether" not in shown


def test_secrets_without_a_key_are_not_comparable_and_not_equal(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    full.control.seed_app(APP, environment(secret="another-one-altogether"))
    run = compare(path, STAGING, "fail_on='difference'")
    assert run.state == "success"
    found = run.xcom("compare")
    assert (found["equal"], found["different"]) == (False, 0)
    assert found["not_comparable"] >= 1
    assert "BackendDriftError" in compare(path, STAGING, "fail_on='doubt'").error("compare")


def test_digests_of_another_key_are_not_comparable(
    take: Callable[..., Finished],
    compare: Callable[..., Finished],
    full: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_key: None,
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__SNAPSHOT_KEY", "another key of enough letters")
    found = compare(path, STAGING).xcom("compare")
    assert (found["equal"], found["different"]) == (False, 0)
    assert "of different keys" in found["differences"][0]["why"]


def test_a_clone_is_the_same_but_for_its_ids_and_names(
    compare: Callable[..., Finished], full: Any, with_key: None
) -> None:
    client = full.client()
    client.clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName="nightly")
    full.control.advance(5)
    clone = {"app_id": APP, "backend_environment_name": "nightly"}
    run = compare(STAGING, clone, "fail_on='difference'")
    assert run.state == "success", run.errors("compare")
    assert run.xcom("compare")["different"] == 0


def test_another_environment_differs_in_what_it_is_and_not_in_what_it_is_called(
    compare: Callable[..., Finished], full: Any
) -> None:
    other = environment("other", SignInMethod="PHONE_NUMBER")
    other["auth"] = {"members": other["auth"]["people"]}
    full.control.seed_app(APP, other)
    found = paths(compare(STAGING, {"app_id": APP, "backend_environment_name": "other"}))
    assert [path for path, change in found.items() if change != "not comparable"] == [
        "auth.people.ResourceConfig.UserPoolConfigs.SignInMethod"
    ]


def test_the_result_of_a_snapshot_is_a_side(dags: DagRunner, full: Any, tmp_path: Path) -> None:
    body = SNAPSHOT.format(environment="staging", path=str(tmp_path), options="") + (
        "compare = CompareBackendsOperator(task_id='compare', left=snapshot.output, "
        "right={'app_id': APP, 'backend_environment_name': '{{ params.environment }}'}, fail_on='difference')"
    )
    run = dags.run(body, options="params={'environment': 'staging'}")
    assert run.state == "success", run.errors("compare")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no snapshot"),
        ("{", "it is not valid JSON"),
        ("[]", "it is no snapshot"),
        ('{"kind": "amplifybackend snapshot", "version": 2}', "it is of version 2"),
    ],
)
def test_a_file_that_is_no_snapshot_is_named(
    compare: Callable[..., Finished], full: Any, tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "old.snapshot.json"
    if content is not None:
        file.write_text(content)
    error = compare(str(file), STAGING).error("compare")
    assert "BackendStorageError" in error
    assert f"{file}" in error
    assert message in error


def test_a_snapshot_that_was_altered_is_refused(
    take: Callable[..., Finished], compare: Callable[..., Finished], full: Any, tmp_path: Path
) -> None:
    path = Path(take(tmp_path).xcom("snapshot")["path"])
    path.write_text(path.read_text().replace('"EMAIL"', '"PHONE_NUMBER"'))
    assert "it is not as it was written" in compare(str(path), STAGING).error("compare")


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ({"app_id": APP}, "must be the path of a snapshot"),
        ({**STAGING, "region": "x"}, "must be the path of a snapshot"),
        (3, "must be an address"),
        ("{", "is not valid JSON"),
    ],
)
def test_a_side_that_is_none_is_refused_before_anything_is_read(
    compare: Callable[..., Finished], full: Any, side: Any, message: str
) -> None:
    full.control.clear_journal()
    error = compare(side, STAGING).error("compare")
    assert "BackendParameterError" in error
    assert message in error
    assert full.control.journal() == []


# From a snapshot to an environment

RESTORE = """
from airflow_provider_amplifybackend.operators.api import CreateBackendAPIOperator
from airflow_provider_amplifybackend.operators.storage import CreateBackendStorageOperator

@task
def configuration(path: str, secret: str) -> dict:
    content = json.load(open(path))["content"]
    google = content["auth"]["people"]["ResourceConfig"]["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]["Google"]
    assert google["ClientSecret"] == "***"
    google["ClientSecret"] = secret
    # What the service adds, and Create does not take.
    content["storage"]["files"]["ResourceConfig"].pop("Imported", None)
    return {{kind: content[kind][name]["ResourceConfig"] for kind, name in
            (("auth", "people"), ("api", "shop"), ("storage", "files"))}}

read = configuration({path!r}, {secret!r})
to = dict(app_id=APP, backend_environment_name="restored", waiter_delay=0.1)
create = CreateBackendOperator(task_id="create", app_name="shop", **to)
auth = CreateBackendAuthOperator(task_id="auth", resource_name="people", resource_config=read["auth"], **to)
api = CreateBackendAPIOperator(task_id="api", resource_name="shop", resource_config=read["api"], **to)
storage = CreateBackendStorageOperator(task_id="storage", resource_name="files", resource_config=read["storage"], **to)
read >> create >> auth >> api >> storage
"""


def test_an_environment_is_created_from_the_snapshot_of_another_with_plain_operators(
    dags: DagRunner,
    take: Callable[..., Finished],
    compare: Callable[..., Finished],
    full: Any,
    tmp_path: Path,
    with_key: None,
) -> None:
    path = take(tmp_path).xcom("snapshot")["path"]
    run = dags.run(RESTORE.format(path=path, secret=SECRET))
    assert run.state == "success", (run.states, [run.errors(task) for task in run.states])
    found = compare(path, {"app_id": APP, "backend_environment_name": "restored"}, "fail_on='difference'")
    assert found.state == "success", found.errors("compare")
