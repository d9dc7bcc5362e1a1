"""The inventory of a fleet: every environment a row, every failure a row, within a budget of requests."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.requests import JOBS_PER_PAGE
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.dag_run import DagRunner, Finished
from tests.samples import APP

HOUR, DAY = 3600, 86400
SECRET = "da2-hushhushhush"
INVENTORY = """
from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator
inventory = BackendInventoryOperator(task_id="inventory", path={path!r}, requests_per_second=100, {options})
"""


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """The pace is proven on a virtual clock: here nobody waits for it."""
    with timing.replaced(sleep=lambda seconds: None):
        yield


@pytest.fixture
def take(dags: DagRunner, tmp_path: Path) -> Callable[..., Finished]:
    def run(options: str = "") -> Finished:
        return dags.run(INVENTORY.format(path=str(tmp_path), options=options))

    return run


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "environments.jsonl").read_text().splitlines()]


def by_name(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["environment"] or row["app_id"] or row["region"]: row for row in rows_in(folder)}


def test_every_environment_is_a_row_with_what_is_known_of_it(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "production")
    service.control.seed(
        apps=[
            {
                "app_id": "d2",
                "app_name": "blog",
                "tags": {"team": "ann@example.com"},
                "variables": {"API_TOKEN": SECRET},
                "environments": [
                    {
                        "name": "production",
                        "age_seconds": 400 * DAY,
                        "termination_protection": True,
                        "auth": {"a": None},
                    },
                    {"name": "dev", "age_seconds": 10 * DAY, "api": {"shop": None}, "storage": {"files": None}},
                ],
                "jobs": [
                    {"environment": "dev", "operation": "CloneBackend", "age_seconds": 9 * DAY},
                    {"environment": "dev", "status": "FAILED", "error": f"api_key: {SECRET}", "age_seconds": HOUR},
                ],
            }
        ]
    )
    run = take()
    assert run.state == "success", run.errors("inventory")
    rows = by_name(tmp_path)
    assert set(rows) == {"staging", "production", "dev"}
    production, dev = rows["production"], rows["dev"]
    assert production["protection"] == ["'production' of [amplifybackend] protected", "termination protection"]
    assert (round(production["age_days"]), production["jobs"], production["health"]) == (400, 0, "ok")
    assert (dev["health"], dev["jobs"], dev["failed_jobs"], dev["last_job_status"]) == ("failed", 2, 1, "FAILED")
    assert [(one["category"], one["service"], one["generate"]) for one in dev["resources"]] == [
        ("api", "AppSync", "supported"),
        ("storage", "S3", "supported"),
    ]
    assert dev["resources"][0]["ids"]["appsync_api_id"]
    assert dev["gen2"] == "ready"
    assert (dev["unreadable"], dev["migration"], dev["lease"]) == ([], "none", "")
    # What needs attention first stands first.
    assert rows_in(tmp_path)[0]["environment"] == "dev"
    assert run.xcom("inventory")["first"][0]["environment"] == "dev"
    shown = json.dumps([run.messages("info"), run.xcom("inventory")])
    everything = shown + "".join(path.read_text() for path in tmp_path.iterdir())
    for secret in (SECRET, "ann@example.com"):
        assert secret not in everything


@pytest.mark.usefixtures("everything_is_logged")
def test_no_api_key_of_a_fleet_is_logged_or_given_to_the_masker_that_slows_down_with_each(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app("d2", {"name": "one", "api": {"shop": None}})
    run = take()
    assert by_name(tmp_path)["one"]["resources"][0]["service"] == "AppSync"
    assert any("Response body" in str(line["event"]) for line in run.log_lines)
    # Three letters and a hyphen alone are in many an id, too.
    key = re.compile("da2-[a-z0-9]{20}")
    assert not key.search(run.log)
    assert not key.search("".join(path.read_text() for path in tmp_path.iterdir()))


def test_the_tables_and_the_summary_tell_the_same(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app("d2", "one", "two")
    found = take().xcom("inventory")
    with (tmp_path / "environments.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["environment"] for row in table] == [row["environment"] for row in rows_in(tmp_path)]
    assert (found["apps"], found["environments"], found["errors"]) == (2, 3, 0)
    assert found["by_health"] == {"ok": 3}
    assert found["files"]["report"] == f"{tmp_path}/report.html"
    assert "<td>one</td>" in (tmp_path / "report.html").read_text()


def test_an_app_that_cannot_be_read_is_a_row_and_the_others_are_read(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app("d2", "one")
    service.control.add_fault("ListBackendEnvironments", kind="denied", service="amplify", app_id="d2")
    service.control.add_fault("GetBackend", kind="denied", app_id="d2")
    run = take()
    assert run.state == "success"
    rows = by_name(tmp_path)
    assert rows["staging"]["unreadable"] == []
    assert rows["d2"]["kind"] == "app"
    assert "AccessDenied" in rows["d2"]["unreadable"][0]
    assert rows["d2"]["attention"][0]["level"] == "high"
    assert run.xcom("inventory")["errors"] == 1


def test_a_sign_that_cannot_be_read_is_named_and_the_row_is_there(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.add_fault("GetStackPolicy", kind="denied", service="cloudformation")
    service.control.add_fault("ListBackendJobs", kind="denied")
    take()
    (row,) = rows_in(tmp_path)
    assert (row["migration"], row["health"], row["jobs"], row["jobs_are_complete"]) == (
        "unknown",
        "unknown",
        None,
        None,
    )
    assert any("GetStackPolicy" in text for text in row["unreadable"])
    assert any("its jobs" in text for text in row["unreadable"])


def test_a_region_that_cannot_be_listed_is_a_row_beside_the_others(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    run = take("connections=['aws_default', 'nobody'], regions=['us-east-1']")
    assert run.state == "success", run.errors("inventory")
    (broken,) = [row for row in rows_in(tmp_path) if row["kind"] == "region"]
    assert broken["connection"] == "nobody"
    assert "does not exist" in broken["unreadable"][0]
    assert {row["environment"] for row in rows_in(tmp_path)} == {"staging", ""}


def test_nothing_that_can_be_listed_fails_the_task_after_the_report_is_written(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.add_fault("ListApps", kind="denied", service="amplify")
    run = take()
    assert run.error("inventory").startswith("BackendRequestError: inventory: 1 of 1 rows could not be read")
    assert (tmp_path / "report.html").exists()


def test_any_gap_fails_the_task_if_it_shall(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app("d2", "one")
    service.control.add_fault("GetBackend", kind="denied", app_id="d2")
    run = take("on_error='fail'")
    assert "could not be read" in run.error("inventory")
    assert by_name(tmp_path)["staging"]["health"] == "ok"


def test_an_app_that_nobody_knows_is_a_row(take: Callable[..., Finished], tmp_path: Path) -> None:
    run = take(f"app_ids=['{APP}', 'dnobody']")
    assert run.state == "success"
    rows = by_name(tmp_path)
    assert set(rows) == {"staging", "dnobody"}
    assert rows["dnobody"]["unreadable"] == ["app dnobody: AWS Amplify knows no such app"]


def test_a_stuck_job_and_a_job_that_runs_are_told_apart(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed(
        apps=[
            {
                "app_id": APP,
                "environments": ["staging", "dev"],
                "jobs": [
                    {"environment": "staging", "status": "RUNNING", "age_seconds": 3 * HOUR},
                    {"environment": "dev", "status": "RUNNING", "age_seconds": HOUR},
                ],
            }
        ]
    )
    take()
    rows = by_name(tmp_path)
    assert (rows["staging"]["health"], rows["dev"]["health"]) == ("stuck", "busy")
    assert len(rows["staging"]["stuck_jobs"]) == 1
    assert "lets no other begin" in rows["staging"]["attention"][0]["text"]


def test_a_migration_is_seen_where_the_guard_sees_it(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app(APP, "dev")
    service.control.lock(APP, "staging", holding=True)
    service.control.seed(stacks=[{"name": f"amplify-{APP}-main-auth-holding", "status": "REVIEW_IN_PROGRESS"}])
    take()
    rows = by_name(tmp_path)
    assert (rows["staging"]["migration"], rows["dev"]["migration"]) == ("refactored", "another of the app")
    assert "no other can run" in rows["staging"]["attention"][0]["text"]


def test_an_environment_that_only_amplify_knows_is_named(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.add_fault("GetBackend", kind="error", status=404, code="NotFoundException", environment="staging")
    take()
    (row,) = rows_in(tmp_path)
    assert row["health"] == "missing"


def test_requests_are_those_of_the_budget_and_all_pages_are_read(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    jobs = [{"environment": "staging", "age_seconds": number} for number in range(2 * JOBS_PER_PAGE + 1)]
    service.control.seed(apps=[{"app_id": APP, "jobs": jobs}])
    service.control.seed_app("d2", "one", "two")
    service.control.clear_journal()
    found = take().xcom("inventory")
    # 4 for each environment, 2 for each app, the lists of apps and stacks, and two more pages of jobs.
    assert found["requests"] == len(service.control.journal()) == 3 * 4 + 2 * 2 + 2 + 2
    assert by_name(tmp_path)["staging"]["jobs"] == 51


def test_a_service_that_throttles_is_asked_slower_and_then_answers(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.add_fault("ListBackendEnvironments", kind="throttle", service="amplify", times=4)
    found = take().xcom("inventory")
    assert by_name(tmp_path)["staging"]["unreadable"] == []
    assert found["throttled"] >= 1


def test_a_folder_that_cannot_be_written_is_named(dags: DagRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = dags.run(INVENTORY.format(path=f"{tmp_path}/file/folder", options=""))
    assert "BackendStorageError" in run.error("inventory")
    assert "environments.jsonl cannot be written" in run.error("inventory")


def test_lists_come_from_templates_too(
    take: Callable[..., Finished], service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.seed_app("d2", "one")
    options = "app_ids='{{ [\"d2\"] | tojson }}', regions='us-east-1, eu-west-1', stuck_after='{{ 3 }}h'"
    run = take(options)
    assert run.state == "success", run.errors("inventory")
    assert {row["environment"] for row in rows_in(tmp_path) if row["environment"]} == {"one"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("app_ids=[]", "app_ids names nothing"),
        ("regions='[1'", "regions is not valid JSON"),
        ("stuck_after='soon'", "stuck_after must be a number with s, m, h, d or w"),
        ("on_error='ignore'", "on_error='ignore' is not accepted"),
        ("app_ids=['a/b']", "a/b"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_before_anything_is_read(
    take: Callable[..., Finished], service: LocalAmplifyBackend, options: str, message: str
) -> None:
    service.control.clear_journal()
    run = take(options)
    assert message in run.error("inventory")
    assert service.control.journal() == []


def test_one_task_reads_several_connections(
    take: Callable[..., Finished], service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_SECOND",
        connection_json(service.endpoint_url, amplifybackend={"protected": ["staging"]}),
    )
    take("connections=['aws_default', 'second']")
    rows = {row["connection"]: row["protection"] for row in rows_in(tmp_path)}
    assert rows["aws_default"] == []
    assert "connection 'second'" in rows["second"][0]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (APP, f"every change is refused: entry '{APP}' of [amplifybackend] protected is the id of the app"),
        ("production,,qa", "every change is refused: entry 2 of [amplifybackend] protected"),
    ],
)
def test_a_setting_that_refuses_every_change_is_shown_as_protection(
    take: Callable[..., Finished],
    service: LocalAmplifyBackend,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    setting: str,
    told: str,
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", setting)
    service.control.seed(apps=[{"app_id": APP, "environments": [{"name": "old", "age_seconds": 400 * DAY}]}])
    take()
    found = by_name(tmp_path)["old"]
    assert [text[: len(told)] for text in found["protection"]] == [told]
    assert "neither protected nor leased" not in str(found["attention"])
