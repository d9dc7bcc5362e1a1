"""`inventory`, `plan` and `reap` on the local service."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from airflow_provider_amplifybackend.cli.main import main
from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState
from airflow_provider_amplifybackend.guard.protected import SettingError
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError
from airflow_provider_amplifybackend.hooks._records import StoredFile
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.cli.conftest import Run
from tests.dag_run import DagRunner
from tests.samples import APP

SCRIPT = "airflow_provider_amplifybackend.cli.main"
HOUR = timedelta(hours=1)
RULE = ("--name", "pr*", "--older-than", "6h")


def old(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "age_seconds": 8 * 3600, **more}


def lease(environment: str, dag_id: str, run_id: str) -> dict[str, str]:
    now = datetime.now(UTC)
    one = Lease.of(
        Holder(dag_id, run_id, "preview"), environment, state=LeaseState.HELD, since=now - 9 * HOUR, until=now - HOUR
    )
    return {one.key: one.value}


def names(service: LocalAmplifyBackend) -> set[str]:
    return set(service.client().get_backend(AppId=APP)["BackendEnvironmentList"])


def outcomes(output: str) -> dict[str, tuple[str, str]]:
    rows = json.loads(output)
    return {row["backend_environment_name"]: (row["outcome"], row.get("why", "")) for row in rows}


# ------------------------------------------------------------------------------------------------------ inventory


def test_the_inventory_is_a_table_of_every_environment(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, old("staging"), old("test", locked=True), app_name="shop\x1b[31m")
    ended = run("inventory")
    assert ended.status == 0, ended
    header, *lines = ended.output.split("\n\n")[0].splitlines()
    assert header.split()[:5] == ["APP", "ID", "ENVIRONMENT", "APP", "REGION"]
    assert {tuple(line.split()[:2]) for line in lines} == {(APP, "staging"), (APP, "test")}
    assert "locked" in ended.output
    assert "\x1b" not in ended.output
    assert "environments: 2, apps: 1" in ended.output


def test_a_terminal_gets_nothing_that_it_acts_on_and_a_file_the_data(
    run: Run, run_process: Run, aws: LocalAmplifyBackend
) -> None:
    aws.control.seed_app(APP, "staging", app_name="shop\x1b[2J")
    assert "shop\x1b[2J" in run("inventory", "--output", "csv").output
    terminal, its_end = os.openpty()
    try:
        ended = run_process(SCRIPT, "inventory", "--output", "csv", redirection=f">{os.ttyname(its_end)}")
        assert ended.status == 0, ended
        shown = os.read(terminal, 100_000).decode()
    finally:
        os.close(terminal)
        os.close(its_end)
    assert APP in shown
    assert "\x1b" not in shown


def test_its_files_are_those_of_the_operator(run: Run, aws: LocalAmplifyBackend, tmp_path: Path) -> None:
    aws.control.seed_app(APP, "staging")
    ended = run("inventory", "--output", "jsonl", "--path", str(tmp_path))
    assert ended.status == 0, ended
    assert (tmp_path / "environments.jsonl").read_text() == ended.output
    assert {path.name for path in tmp_path.iterdir()} == {"environments.jsonl", "environments.csv", "report.html"}


def test_a_folder_that_cannot_be_written_to_costs_no_row(run: Run, aws: LocalAmplifyBackend, tmp_path: Path) -> None:
    aws.control.seed_app(APP, "staging")
    (tmp_path / "file").touch()
    ended = run("inventory", "--path", str(tmp_path / "file"))
    assert ended.status == 1
    assert f"{APP}  staging" in ended.output
    assert "cannot be written" in ended.errors


def test_the_page_in_airflow_can_read_the_file_of_an_account_without_environments(
    run: Run, aws: LocalAmplifyBackend
) -> None:
    folder = "s3://aws_default@empty-fleet/latest"
    aws.client("s3").create_bucket(Bucket="empty-fleet")
    assert run("inventory", "--path", folder).status == 0
    assert StoredFile(folder, "environments.jsonl").read_bytes(most=1000) == b""
    assert StoredFile(folder, "nothing").read_bytes(most=1000) is None


def test_what_cannot_be_read_is_a_row_and_a_status(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, "staging")
    ended = run("inventory", "--region-name", "us-east-1", "--aws-conn-id", "aws_default", "--aws-conn-id", "aws_none")
    assert ended.status == 1
    assert "staging" in ended.output
    assert "aws_none" in ended.output
    assert "could not be read: 1" in ended.output


def test_a_parameter_that_cannot_be_used_is_one_line(run_process: Run) -> None:
    ended = run_process(SCRIPT, "inventory", "--stuck-after", "soon")
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors.startswith("inventory: --stuck-after must be a number with s, m, h, d or w")
    assert len(ended.errors.splitlines()) == 1


# ----------------------------------------------------------------------------------------------------------- plan


def test_a_plan_says_what_would_go_and_what_the_guard_would_say(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, "staging", app_name="shop")
    free = run("plan", APP, "staging")
    assert free.status == 0, free
    assert "# Deletion of environment 'staging'" in free.output
    assert "AWS::S3::Bucket" in free.output
    assert free.output.endswith("Guard: would let it through\n")
    aws.control.lock(APP, "staging")
    plan = json.loads(run("plan", APP, "staging", "--output", "json").output)
    assert plan["environments"] == ["staging"]
    assert "was refused by the guard; nothing was sent" in plan["guard"]
    assert not aws.control.journal("DeleteBackend")


def test_a_plan_for_an_app_names_protected_environments(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "prod*")
    aws.control.seed_app(APP, "production", "staging")
    ended = run("plan", APP)
    assert ended.status == 0, ended
    assert "Environments: `production`, `staging`" in ended.output
    assert "Guard: RemoveAllBackends" in ended.output
    assert "prod*" in ended.output


@pytest.mark.parametrize("command", [("plan", APP, "staging"), ("plan", APP)])
def test_a_connection_without_a_region_is_told_in_words(
    run: Run, aws: LocalAmplifyBackend, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(aws.endpoint_url, region_name=None))
    ended = run(*command)
    assert ended.status == 1
    assert "You must specify a region" in ended.errors
    assert "Traceback" not in ended.errors


def test_a_plan_of_what_cannot_be_read_is_none(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, "staging")
    aws.control.add_fault("GetBackend", kind="denied")
    assert run("plan", APP, "staging").status == 1


# ----------------------------------------------------------------------------------------------------------- reap


def test_reaping_only_reports_unless_it_is_told_to_delete(run_process: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, old("pr1"), old("main"), {"name": "pr2"})
    ended = run_process(SCRIPT, "reap", *RULE)
    assert (ended.status, ended.errors) == (0, "")
    assert f"WOULD DELETE  pr1 of app {APP}: its name matches 'pr*', and it is 8.0 h old" in ended.output
    assert "2 kept, 1 would delete. Nothing was changed" in ended.output
    assert names(aws) == {"pr1", "pr2", "main"}
    assert not aws.control.journal("DeleteBackend")


def test_told_to_delete_it_deletes_what_the_rules_pick_and_nothing_else(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "pr-prod")
    aws.control.seed_app(APP, old("pr1"), old("pr-prod"), old("prlocked", locked=True), old("main"), {"name": "prnew"})
    ended = run("reap", *RULE, "--yes-delete", "--output", "json")
    assert ended.status == 0, ended
    assert outcomes(ended.output) == {
        "pr1": ("deleted", "matches"),
        "pr-prod": ("kept", "protected"),
        "prlocked": ("kept", "guarded"),
        "main": ("kept", "no_rule"),
        "prnew": ("kept", "young"),
    }
    assert names(aws) == {"pr-prod", "prlocked", "main", "prnew"}
    assert len(aws.control.journal("DeleteBackend")) == 1


def test_a_deletion_that_fails_is_told_and_the_others_are_made(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, old("pr1"), old("pr2"))
    aws.control.add_fault("DeleteBackend", kind="job_fails", times=1)
    ended = run("reap", *RULE, "--yes-delete", "--output", "json")
    assert ended.status == 1
    assert {name: outcome for name, (outcome, _) in outcomes(ended.output).items()} == {
        "pr1": "failed",
        "pr2": "deleted",
    }


def test_a_lease_ends_only_with_a_run_that_this_airflow_knows_to_be_over(
    run: Run, aws: LocalAmplifyBackend, dags: DagRunner
) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    aws.control.seed_app(APP, "staging")
    over = dags.run("BackendEnvironmentSensor(task_id='wait', app_id=APP, backend_environment_name='staging')")
    tags = lease("pr1", over.dag_id, over.run_id) | lease("pr2", "elsewhere", "manual__1")
    aws.control.reset()
    aws.control.seed_app(APP, old("pr1"), old("pr2"), tags=tags)
    ended = run("reap", "--app-id", APP, "--output", "json")
    assert outcomes(ended.output) == {"pr1": ("would_delete", "lease_ended"), "pr2": ("kept", "run_unknown")}
    with create_session() as session:
        session.query(DagRun).filter(DagRun.run_id == over.run_id).update({"state": "running"})
    ended = run("reap", "--app-id", APP, "--output", "json", "--yes-delete")
    assert outcomes(ended.output)["pr1"] == ("kept", "run_lives")
    assert names(aws) == {"pr1", "pr2"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("PROTECTED", "a/b/c"), ("GUARD", "maybe"), ("GUARD", "require")],
    ids=["no protected name", "no mode", "a sign is required"],
)
def test_what_the_guard_cannot_read_is_a_status_and_nothing_is_deleted(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv(f"AIRFLOW__AMPLIFYBACKEND__{setting}", value)
    aws.control.seed_app(APP, old("pr1"), old("main"))
    aws.control.add_fault(service="*", operation="GetStackPolicy", kind="denied")
    ended = run("reap", *RULE, "--yes-delete", "--output", "json")
    assert outcomes(ended.output) == {"pr1": ("unread", "guarded"), "main": ("kept", "no_rule")}
    assert ended.status == 1
    assert names(aws) == {"pr1", "main"}


@pytest.mark.parametrize("kind", ["denied", "throttle"])
def test_jobs_that_cannot_be_listed_are_a_status_and_nothing_is_deleted(
    run: Run, aws: LocalAmplifyBackend, kind: str
) -> None:
    aws.control.seed_app(APP, old("pr1"), old("main"))
    aws.control.add_fault("ListBackendJobs", kind=kind)
    ended = run("reap", *RULE, "--yes-delete")
    assert ended.status == 1
    assert f"UNREAD        pr1 of app {APP}: it has jobs that cannot be listed" in ended.output
    assert "1 kept, 1 unread" in ended.output
    assert names(aws) == {"pr1", "main"}


@pytest.mark.parametrize(("number", "output", "status"), [(signal.SIGINT, "json", 130), (signal.SIGTERM, "text", 143)])
def test_interrupted_it_tells_what_it_has_deleted_and_what_is_under_way(
    start_process: Callable[..., Popen[str]], aws: LocalAmplifyBackend, number: int, output: str, status: int
) -> None:
    aws.control.seed_app(APP, old("pr1"), old("pr2"), old("pr3"))
    aws.control.add_fault("DeleteBackend", kind="job_stuck", environment="pr2")
    process = start_process(SCRIPT, "reap", *RULE, "--yes-delete", "--output", output)
    until = time.monotonic() + 120
    while not aws.control.journal("GetBackendJob", environment="pr2"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (status, "")
    (job,) = (job["JobId"] for job in aws.control.jobs() if job["BackendEnvironmentName"] == "pr2")
    if output == "json":
        assert outcomes(printed) == {"pr1": ("deleted", "matches"), "pr2": ("failed", "matches")}
    else:
        assert f"DELETED       pr1 of app {APP}" in printed
        assert f"FAILED        pr2 of app {APP}" in printed
        assert printed.endswith("Ended early: 1 deleted, 1 failed\n")
    assert f"interrupted: job {job} deletes it" in printed
    assert names(aws) == {"pr2", "pr3"}


def fail_at(monkeypatch: pytest.MonkeyPatch, app_id: str, method: str, error: Exception) -> None:
    """Have a method of the hook fail for an app."""
    before = getattr(AmplifyBackendHook, method)

    def failing(hook: AmplifyBackendHook, *args: Any) -> Any:
        request = args[-1]
        if app_id == (request["AppId"] if isinstance(request, dict) else request):
            raise error
        return before(hook, *args)

    monkeypatch.setattr(AmplifyBackendHook, method, failing)


@pytest.mark.parametrize(
    "error",
    [
        SettingError("no list"),
        EndpointConnectionError(endpoint_url="https://example.com"),
        UnreadableError(Ask("amplify", "GetApp", {}), "AccessDeniedException"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_fails_at_one_app_is_a_row_beside_those_of_the_others(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for number, app_id in enumerate(("d1unread", "d2failed", APP)):
        aws.control.seed_app(app_id, old(f"pr{number}"))
    fail_at(monkeypatch, "d1unread", "get_environments", error)
    fail_at(monkeypatch, "d2failed", "start_operation", error)
    ended = run("reap", *RULE, "--yes-delete", "--output", "json")
    assert ended.status == 1
    rows = json.loads(ended.output)
    assert {row["app_id"]: row["outcome"] for row in rows} == {
        "d1unread": "unread",
        "d2failed": "failed",
        APP: "deleted",
    }
    assert [str(error) in row["text"] for row in rows].count(True) == 2


@pytest.mark.parametrize(("output", "told"), [("json", '"deleted"'), ("text", "Ended early: 1 deleted\n")])
def test_a_fault_of_ours_does_not_hide_what_was_deleted(
    aws: LocalAmplifyBackend,
    airflow_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    output: str,
    told: str,
) -> None:
    aws.control.seed_app(APP, old("pr1"))
    aws.control.seed_app("d2fault", old("pr2"))
    fail_at(monkeypatch, "d2fault", "get_environments", ZeroDivisionError())
    apps = ("--app-id", APP, "--app-id", "d2fault")
    with pytest.raises(ZeroDivisionError), timing.replaced(sleep=lambda seconds: time.sleep(min(seconds, 0.1))):
        main(["reap", *apps, *RULE, "--yes-delete", "--output", output])
    printed = capfd.readouterr().out
    assert told in printed
    if output == "json":
        assert outcomes(printed) == {"pr1": ("deleted", "matches")}


def test_a_name_without_an_age_is_refused(run: Run) -> None:
    ended = run("reap", "--name", "pr*")
    assert ended.status == 1
    assert "--name and --older-than belong together" in ended.errors


def test_every_app_is_reaped_even_if_one_cannot_be_read(run: Run, aws: LocalAmplifyBackend) -> None:
    aws.control.seed_app(APP, old("pr1"))
    aws.control.seed_app("d2other", old("pr2"))
    aws.control.add_fault("GetApp", kind="denied", app_id=APP)
    ended = run("reap", *RULE, "--output", "json")
    assert ended.status == 1
    rows = json.loads(ended.output)
    assert {(row["app_id"], row["outcome"]) for row in rows} == {(APP, "unread"), ("d2other", "would_delete")}
