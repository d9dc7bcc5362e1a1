"""The recipes of docs/recipes.md, each when all is well and when something goes wrong."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner, Finished
from tests.example_dags.conftest import FOLDER, load_impatient, succeeded
from tests.fixture_types import RunExample
from tests.local.test_pytest_plugin import PLUGIN, installed
from tests.local_project import run_pytest
from tests.samples import auth_change
from tests.task_groups.conftest import people  # noqa: F401
from tests.triggers.watching import Database, Triggerer, until

# The app of the recipes, which have it as a constant.
APP = "d1example"
ARN = f"arn:aws:amplify:us-east-1:123456789012:apps/{APP}"
BRANCH = "gen2-rehearsal"
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def hurry(service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__TAG_LAG", "0.5")
    with timing.replaced(between_checks=0.01, before_resend=0.1, earliest_event=0.0):
        yield


def environments(service: LocalAmplifyBackend, app_id: str = APP) -> list[str]:
    return sorted(service.client().get_backend(AppId=app_id)["BackendEnvironmentList"])


def leases(service: LocalAmplifyBackend) -> dict[str, str]:
    found: dict[str, str] = service.client("amplify").list_tags_for_resource(resourceArn=ARN)["tags"]
    return found


def set_check(dag: Any, task_id: str, error: Exception) -> None:
    """Let the tests that a reader puts into a recipe fail."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    dag.get_task(task_id).python_callable = fail


# Nightly clone and teardown


def test_a_night_leaves_nothing_behind(example: RunExample, service: LocalAmplifyBackend) -> None:
    run = succeeded(example("example_nightly_clone"))
    assert set(run.states.values()) == {"success"}
    assert len(service.control.journal("CloneBackend", effective=True)) == 1
    assert (environments(service), leases(service)) == (["staging"], {})


def test_a_night_whose_tests_fail_is_kept_with_a_lease(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    dag = load_impatient(dags, "example_nightly_clone")
    set_check(dag, "nightly.run_tests", ValueError("three tests failed"))
    run = dags.run_dag(dag)
    assert (run.state, run.states["nightly.delete"]) == ("failed", "success")
    assert run.error("nightly.run_tests") == "ValueError: three tests failed"
    [kept] = {*environments(service)} - {"staging"}
    assert "state=kept" in leases(service)[f"amplifybackend:lease:{kept}"]


# One environment for each pull request


def test_a_request_has_one_environment_until_it_is_closed(example: RunExample, service: LocalAmplifyBackend) -> None:
    outcomes = [succeeded(example("example_pull_request", number=31)).xcom("clone")["outcome"] for _ in range(2)]
    assert outcomes == ["started", "found"]
    assert environments(service) == ["pullae", "staging"]
    closed = succeeded(example("example_pull_request", number=31, action="close"))
    assert (closed.states["clone"], closed.states["check"]) == ("skipped", "skipped")
    assert environments(service) == ["staging"]
    assert succeeded(example("example_pull_request", number=31, action="close")).xcom("delete")["outcome"] == "skipped"


def test_numbers_have_names_of_their_own_that_the_amplify_cli_takes(dags: DagRunner) -> None:
    name_of = load_impatient(dags, "example_pull_request").get_task("name_of").python_callable
    numbers = [*range(1, 2000), 26**6]
    names = [name_of(params={"number": number}) for number in numbers]
    assert len({*names}) == len(numbers)
    assert all(name.isalpha() and name.islower() and len(name) <= 10 for name in names)


def test_a_request_whose_tests_fail_keeps_its_environment(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    dag = load_impatient(dags, "example_pull_request")
    set_check(dag, "check", ValueError("three tests failed"))
    assert dags.run_dag(dag, conf={"number": 1}).state == "failed"
    assert environments(service) == ["pulla", "staging"]


def test_a_number_that_is_none_starts_nothing(example: RunExample, service: LocalAmplifyBackend) -> None:
    with pytest.raises(Exception, match="Invalid input for param number"):
        example("example_pull_request", number="7; staging")
    assert service.control.journal("CloneBackend") == []


def test_a_request_that_nobody_closes_is_reaped(example: RunExample, service: LocalAmplifyBackend) -> None:
    old = {"age_seconds": 4 * DAY}
    service.control.seed_app(APP, {"name": "pullb", **old}, {"name": "prod", **old}, "pullc")
    succeeded(example("example_reaper", app_ids=[APP], name="pull*", dry_run=False))
    assert environments(service) == ["prod", "pullc", "staging"]


# Every tenant


@pytest.fixture
def tenants(service: LocalAmplifyBackend) -> dict[str, str]:
    names = {"d1tenant": "people", "d2tenant": "people", "d3tenant": "customers"}
    for app_id, pool in names.items():
        service.control.seed_app(app_id, {"name": "main", "auth": {pool: None}})
    return names


def shortest_password(service: LocalAmplifyBackend, app_id: str, pool: str) -> int | None:
    got = service.client().get_backend_auth(AppId=app_id, BackendEnvironmentName="main", ResourceName=pool)
    shortest: int | None = got["ResourceConfig"]["UserPoolConfigs"].get("PasswordPolicy", {}).get("MinimumLength")
    return shortest


def test_a_change_is_made_for_every_tenant(
    example: RunExample, service: LocalAmplifyBackend, tenants: dict[str, str]
) -> None:
    succeeded(example("example_tenants"))
    assert {shortest_password(service, *tenant) for tenant in tenants.items()} == {14}


def test_one_tenant_that_fails_stops_no_other_and_is_named(
    example: RunExample, service: LocalAmplifyBackend, tenants: dict[str, str]
) -> None:
    service.control.add_fault("UpdateBackendAuth", kind="job_fails", app_id="d2tenant")
    run = example("example_tenants")
    assert run.state == "failed"
    assert [run.states[f"change[{index}]"] for index in range(3)] == ["success", "failed", "success"]
    assert run.error("report") == "RuntimeError: not changed: d2tenant"
    assert shortest_password(service, "d2tenant", "people") != 14


# A rehearsal of a migration


Answer = Callable[[Any], dict[str, Any]]
Rehearse = Callable[[Answer], Finished]


def answers(service: LocalAmplifyBackend, *, build: str, choice: str = "Done", lock: bool = True) -> Answer:
    """What a person does who locks the clone, has the branch built, and says so; and then rolls back."""

    def answer(question: Any) -> dict[str, Any]:
        [clone] = {*environments(service)} - {"production", "staging"}
        if question.subject.startswith("Migrate"):
            if lock:
                service.control.lock(APP, clone)
            # Yesterday's rehearsal went wrong, which is nothing to this one.
            jobs = [{"status": "FAILED", "age_seconds": DAY}, {"status": build, "age_seconds": -5}]
            service.control.seed_app(APP, branches=[{"name": BRANCH, "jobs": jobs}])
        else:
            service.control.unlock(APP, clone)
        chosen = choice if choice in question.options else "Done"
        return {
            "chosen_options": [chosen],
            "params_input": {},
            "responded_by": {"id": "7", "name": "Ann"},
            "responded_at": datetime.now(UTC),
        }

    return answer


@pytest.fixture
def rehearse(dags: DagRunner, service: LocalAmplifyBackend, people: Any, tmp_path: Path) -> Rehearse:  # noqa: F811
    service.control.seed_app(APP, {"name": "production", "auth": {"people": None}})

    def run(answer: Answer) -> Finished:
        dag = load_impatient(dags, "example_gen2_rehearsal")
        dag.get_task("rehearsal.before").path = f"file://{tmp_path}"
        with people(answer):
            return dags.run_dag(dag)

    return run


def test_a_rehearsal_ends_with_nothing_but_its_snapshot(
    rehearse: Rehearse, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    run = succeeded(rehearse(answers(service, build="SUCCEED")))
    assert set(run.states.values()) == {"success"}
    assert (environments(service), leases(service)) == (["production", "staging"], {})
    assert len(list(tmp_path.glob("*.snapshot.json"))) == 1


def test_a_build_that_failed_ends_the_rehearsal_and_the_clone_that_is_not_locked_goes(
    rehearse: Rehearse, service: LocalAmplifyBackend
) -> None:
    run = rehearse(answers(service, build="FAILED", lock=False))
    assert run.state == "failed"
    assert run.error("rehearsal.built").startswith(f"RuntimeError: the build of {BRANCH} is FAILED: job 2")
    assert run.states["rehearsal.delete"] == "success"
    assert (environments(service), leases(service)) == (["production", "staging"], {})


def test_an_abandoned_rehearsal_keeps_its_clone_while_that_is_locked(
    rehearse: Rehearse, service: LocalAmplifyBackend
) -> None:
    run = rehearse(answers(service, build="SUCCEED", choice="Abandon"))
    assert run.state == "failed"
    assert run.error("rehearsal.go_on") == "RuntimeError: the rehearsal was abandoned"
    assert "gen2-migration lock --rollback" in run.error("rehearsal.delete")
    [clone] = {*environments(service)} - {"production", "staging"}
    assert [*leases(service)] == [f"amplifybackend:lease:{clone}"]
    assert service.control.journal("DeleteBackend") == []


# Inventory


def test_an_app_that_cannot_be_read_is_a_row_of_the_inventory(
    example: RunExample, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app("d2closed", "main")
    service.control.add_fault("GetBackend", kind="denied", app_id="d2closed")
    run = succeeded(example("example_environment_inventory", app_id=APP, folder=f"file://{tmp_path}"))
    assert run.xcom("inventory")["errors"] >= 1
    rows = [json.loads(line) for line in (tmp_path / "environments.jsonl").read_text().splitlines()]
    assert {row["app_id"] for row in rows if row["unreadable"]} == {"d2closed"}


# Somebody's change


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="shared streams and stores of assets came with Airflow 3.3")
def test_what_the_watcher_reports_of_a_strangers_change_is_what_the_recipe_reads(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    dag = load_impatient(dags, "example_asset_events")
    [asset] = dag.timetable.asset_condition.objects
    [watcher] = asset.watchers
    watcher.trigger.waiter_delay = 0.1
    database = Database()
    change = {"AppId": APP, "BackendEnvironmentName": "staging", "ResourceName": "people"}

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(watcher.trigger, asset.uri)
            await until(lambda: database.stores[asset.uri].content)
            config = auth_change(PasswordPolicy={"MinimumLength": 12})
            service.client().update_backend_auth(**change, ResourceConfig=config)
            await until(lambda: database.events)

    asyncio.run(watch())
    [event] = database.of(f"amplifybackend://{APP}/staging")
    reported = SimpleNamespace(extra={"from_trigger": True, "payload": event})
    now = {"exists": True, "outputs": {"user_pool_id": "us-east-1_x"}}
    react = dag.get_task("react").python_callable
    assert react(now, triggering_asset_events={asset: [reported]}) == [event["job_id"]]
    assert event["operation"] == "UpdateBackendAuth"


def test_a_change_of_an_environment_that_is_gone_by_then_is_no_failure(
    example: RunExample, service: LocalAmplifyBackend
) -> None:
    run = succeeded(example("example_asset_events", app_id=APP, environment="gone"))
    assert "The environment is gone" in run.messages("warning")


# Somebody else's job


def test_nothing_goes_on_behind_a_job_that_never_ends(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.seed_app(APP, jobs=[{"environment": "staging", "status": "RUNNING"}])
    dag = load_impatient(dags, "example_job")
    dag.get_task("quiet").timeout = 1
    run = dags.run_dag(dag, conf={"app_id": APP})
    assert run.state == "failed"
    assert "AirflowSensorTimeout" in run.error("quiet")
    assert run.states["failed"] == "upstream_failed"


# Snapshot before a deletion


def test_what_is_deleted_is_in_a_snapshot_and_on_record(
    example: RunExample, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app(APP, {"name": "feature", "auth": {"people": None}})
    run = succeeded(example("example_snapshot_before_delete", folder=f"file://{tmp_path}"))
    assert run.xcom("delete")["leftovers"] == []
    [snapshot] = tmp_path.rglob("*.snapshot.json")
    assert [*json.loads(snapshot.read_text())["content"]["auth"]] == ["people"]
    [record] = (tmp_path / "records").iterdir()
    assert json.loads(record.read_text())["tries"][-1]["state"] == "completed"
    assert environments(service) == ["staging"]


def test_without_a_snapshot_nothing_is_deleted(
    example: RunExample, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app(APP, "feature")
    (tmp_path / "file").write_text("")
    run = example("example_snapshot_before_delete", folder=f"file://{tmp_path}/file")
    assert "BackendStorageError" in run.error("snapshot")
    assert run.states["delete"] == "upstream_failed"
    assert service.control.journal("DeleteBackend") == []


def test_what_was_not_in_the_plan_is_not_deleted(dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path) -> None:
    service.control.seed_app(APP, "feature")
    dag = load_impatient(dags, "example_snapshot_before_delete")

    def somebody_adds_storage(context: Any) -> None:
        service.control.seed_app(APP, {"name": "feature", "storage": {"files": None}})

    dag.get_task("snapshot").on_execute_callback = [somebody_adds_storage]
    run = dags.run_dag(dag, conf={"folder": f"file://{tmp_path}"})
    assert "BackendGuardError" in run.error("delete")
    assert "files" in run.error("delete")
    assert service.control.journal("DeleteBackend") == []


# Without AWS


def test_the_test_on_the_page_is_green(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\namplifybackend_dags = dags\n")
    (tmp_path / "dags").mkdir()
    shutil.copy(FOLDER / "example_pull_request.py", tmp_path / "dags")
    page = (FOLDER.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```python\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "test_pull_request.py").write_text(text)
    plugins = () if installed() else ("-p", PLUGIN)
    done = run_pytest(sys.executable, tmp_path, *plugins, environment={"PYTHONPATH": str(FOLDER.parent)})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "2 passed" in done.stdout
