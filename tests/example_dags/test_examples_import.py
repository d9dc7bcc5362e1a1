"""The example DAGs import without a warning, and do once what they say."""

from __future__ import annotations

import importlib.util
import json
import uuid
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.example_dags.conftest import FOLDER, succeeded
from tests.fixture_types import RunExample
from tests.operators.requests_by_operation import FULL, shared_botocore_data  # noqa: F401
from tests.samples import APP

FILES = sorted(FOLDER.glob("*.py"))
HOUR = 3600


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_imports_without_a_warning_and_is_called_like_its_file(path: Path, airflow_home: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"imported_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spec.loader.exec_module(module)
    function = getattr(module, path.stem)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dag = function()
    assert dag.dag_id == path.stem
    assert set(dag.tags) == {"amplifybackend"}


def test_every_resource_has_an_example() -> None:
    text = "".join(path.read_text() for path in FILES)
    for resource in ("environment", "auth", "api", "storage", "config", "token", "job"):
        assert f"airflow_provider_amplifybackend.operators.{resource} import" in text


def test_the_inventory_writes_every_environment_down(
    example: RunExample, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app(APP, FULL | {"name": "prod"})
    run = succeeded(example("example_environment_inventory", folder=f"file://{tmp_path}/inventory"))
    assert run.xcom("inventory")["environments"] == 2
    assert "<title>" in (tmp_path / "inventory" / "report.html").read_text()
    files = {path.name: json.loads(path.read_text()) for path in (tmp_path / "inventory" / "snapshots").iterdir()}
    assert set(files) == {f"{APP}_staging.snapshot.json", f"{APP}_prod.snapshot.json"}
    meta = files[f"{APP}_prod.snapshot.json"]["content"]["environment"]["AmplifyMetaConfig"]
    assert meta["api"]["graph"]["output"]["GraphQLAPIKeyOutput"] == "***"


def test_a_drift_check_approves_first_and_fails_once_somebody_has_changed_something(
    example: RunExample, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    wanted = {"environment": "staging", "folder": f"file://{tmp_path}/approved"}
    assert succeeded(example("example_drift_check", **wanted)).states["compare"] == "skipped"
    assert succeeded(example("example_drift_check", **wanted)).states["approve"] == "skipped"
    service.control.seed_app(APP, {"name": "staging", "storage": {"files": None}})
    changed = example("example_drift_check", **wanted)
    assert "+ storage.files" in changed.error("compare")
    assert succeeded(example("example_drift_check", approve=True, **wanted)).states["compare"] == "skipped"
    succeeded(example("example_drift_check", **wanted))


def test_auth_is_created_and_made_stricter_and_a_second_run_changes_nothing_else(
    example: RunExample, service: LocalAmplifyBackend
) -> None:
    succeeded(example("example_auth", environment="staging", name="visitors"))
    again = succeeded(example("example_auth", environment="staging", name="visitors"))
    assert again.xcom("create")["outcome"] == "found"
    pool = again.xcom("get")["ResourceConfig"]["UserPoolConfigs"]
    assert pool["UserPoolName"] == "visitors"
    assert pool["PasswordPolicy"]["MinimumLength"] == 14
    assert len(service.control.journal("CreateBackendAuth")) == 1


@pytest.mark.usefixtures("everything_is_logged")
def test_secrets_of_a_connection_and_a_variable_arrive_and_show_nowhere(
    example: RunExample, service: LocalAmplifyBackend, airflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [uuid.uuid4().hex * 2 for _ in range(2)]
    apple = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
    google = f"hush-{uuid.uuid4().hex}-'\""
    login = {"conn_type": "generic", "login": "google-id", "password": google}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_LOGIN", json.dumps(login))
    monkeypatch.setenv("AIRFLOW_VAR_APPLE_PRIVATE_KEY", apple)
    run = succeeded(example("example_social_login", environment="staging", name="visitors"))
    (created,) = service.control.journal("CreateBackendAuth", effective=True)
    (rotated,) = service.control.journal("UpdateBackendAuth", effective=True)
    providers = created["parameters"]["ResourceConfig"]["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]
    assert providers["Google"] == {"ClientId": "google-id", "ClientSecret": google}
    assert providers["SignInWithApple"]["PrivateKey"] == apple
    providers = rotated["parameters"]["ResourceConfig"]["UserPoolConfigs"]["OAuth"]["SocialProviderSettings"]
    assert providers == {"Google": {"ClientId": "google-id", "ClientSecret": google}}
    log = "\n".join(line for line in run.log.splitlines() if "MaskSecret" not in line)
    stored = (airflow_home / "airflow.db").read_bytes().decode(errors="replace")
    for secret in (google[:30], *lines):
        assert secret not in log
        assert secret not in stored


def test_an_api_gets_its_schema_and_its_models(example: RunExample, service: LocalAmplifyBackend) -> None:
    run = succeeded(example("example_api", environment="staging"))
    models = run.xcom("check")
    # The table's own reader of Airflow 3 also reads a text that is JSON.
    models = json.loads(models) if isinstance(models, str) else models
    assert set(models["models"]["Note"]["fields"]) == {"id", "title", "text"}
    (created,) = service.control.journal("CreateBackendAPI", effective=True)
    schema = (FOLDER / "example_schema.graphql").read_text()
    assert created["parameters"]["ResourceConfig"]["TransformSchema"].strip() == schema.strip()


@pytest.mark.parametrize("exists", [False, True])
def test_a_bucket_is_created_or_taken_over(example: RunExample, service: LocalAmplifyBackend, exists: bool) -> None:
    service.control.seed(buckets=["our-pictures"] if exists else [])
    run = succeeded(example("example_storage", environment="staging", bucket="our-pictures"))
    chosen, other = ("import", "create") if exists else ("create", "import")
    assert (run.states[chosen], run.states[other]) == ("success", "skipped")
    meta = json.loads(service.client().get_backend(AppId=APP, BackendEnvironmentName="staging")["AmplifyMetaConfig"])
    assert [resource["output"]["BucketName"] for resource in meta["storage"].values()] == ["our-pictures"]


def test_studio_gets_the_log_in_of_an_environment(example: RunExample, service: LocalAmplifyBackend) -> None:
    service.control.seed_app(APP, FULL | {"name": "prod"})
    run = succeeded(example("example_config", environment="prod"))
    login = run.xcom("update")["LoginAuthConfig"]
    assert login["AwsUserPoolsId"] == run.xcom("get", key="user_pool_id")
    assert login["AwsCognitoRegion"] == "us-east-1"


def test_a_token_is_gone_after_the_run(example: RunExample, service: LocalAmplifyBackend) -> None:
    run = succeeded(example("example_token"))
    assert run.xcom("look")["SessionId"] == run.xcom("create")["SessionId"]
    assert [app["tokens"] for store in service.control.state() for app in store["apps"]] == [[]]


def test_failures_are_listed_once_the_environment_is_quiet(example: RunExample, service: LocalAmplifyBackend) -> None:
    jobs = [
        {"environment": "staging", "job_id": "recent", "status": "FAILED", "error": "no quota", "age_seconds": HOUR},
        {"environment": "staging", "job_id": "old", "status": "FAILED", "age_seconds": 30 * 24 * HOUR},
        {"environment": "staging", "job_id": "fine", "status": "COMPLETED", "age_seconds": HOUR},
        {"environment": "staging", "job_id": "running", "status": "RUNNING", "seconds": 0.3},
    ]
    service.control.seed_app(APP, jobs=jobs)
    run = succeeded(example("example_job", environment="staging"))
    (line,) = run.xcom("lately")
    assert line.endswith("UpdateBackendAPI recent: no quota")


@pytest.fixture
def jobs_of_all_ages(service: LocalAmplifyBackend) -> None:
    service.control.seed_app(APP, "prod", "idle")
    ages = {"young": HOUR, "old": 5 * HOUR, "ancient": 7 * 24 * HOUR}
    service.control.seed_app(
        APP,
        jobs=[
            {"environment": environment, "job_id": f"{status}-{age}", "status": status, "age_seconds": seconds}
            for environment, status in (("staging", "RUNNING"), ("prod", "PENDING"), ("prod", "COMPLETED"))
            for age, seconds in ages.items()
        ],
    )


STUCK = {f"{status}-{age}" for status in ("RUNNING", "PENDING") for age in ("old", "ancient")}


def test_stuck_jobs_of_all_environments_fail_the_run_and_are_named(example: RunExample, jobs_of_all_ages: None) -> None:
    run = example("example_stuck_jobs")
    assert run.state == "failed"
    error = run.error("find")
    assert error.startswith("RuntimeError: 4 stuck: ")
    assert set(error.partition("stuck: ")[2].split(", ")) == STUCK
    reports = [text for text in run.messages("warning") if "since" in text]
    assert len(reports) == 4


def test_stuck_jobs_can_be_reported_without_failing(example: RunExample, jobs_of_all_ages: None) -> None:
    run = succeeded(example("example_stuck_jobs", fail=False))
    found = {job["JobId"]: job for job in run.xcom("find")}
    assert set(found) == STUCK
    age = datetime.now(UTC) - datetime.fromisoformat(found["RUNNING-old"]["created_at"])
    assert age > timedelta(hours=4)
    assert {job["JobId"] for job in succeeded(example("example_stuck_jobs", fail=False, hours=24)).xcom("find")} == {
        "RUNNING-ancient",
        "PENDING-ancient",
    }


def test_without_stuck_jobs_or_environments_all_is_well(example: RunExample, service: LocalAmplifyBackend) -> None:
    assert succeeded(example("example_stuck_jobs")).xcom("find") == []
    service.control.seed_app("dempty")
    run = succeeded(example("example_stuck_jobs", app_id="dempty"))
    assert (run.states["find"], run.xcom("find")) == ("success", [])


def test_a_dag_that_reacts_to_changes_reads_the_environment_as_it_is(
    example: RunExample, service: LocalAmplifyBackend
) -> None:
    service.control.seed_app(APP, FULL | {"name": "staging"})
    run = succeeded(example("example_asset_events", environment="staging"))
    assert run.xcom("now")["outputs"]["user_pool_id"] in run.log
    assert run.xcom("react") == []
