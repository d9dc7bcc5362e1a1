"""The reaper on the local service: what it deletes, what it keeps, and that it looks twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState, pin_key
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.dag_run import DagRunner, Finished
from tests.samples import APP

ROOT = Path(__file__).parents[2]
BODY = """
from airflow_provider_amplifybackend.task_groups.reaper import reap_environments
reap_environments(app_ids=[APP], waiter_delay=0.1, {options})
"""
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def hurry(service: LocalAmplifyBackend) -> Iterator[None]:
    service.control.set(job_seconds=0.2)
    with timing.replaced(between_checks=0.01, before_resend=0.1, earliest_event=0.0):
        yield


def lease(environment: str, *, until: timedelta = -HOUR, dag_id: str = "gone", run_id: str = "gone") -> dict[str, str]:
    now = datetime.now(UTC)
    holder = Holder(dag_id, run_id, "preview")
    one = Lease.of(holder, environment, state=LeaseState.HELD, since=now - 9 * HOUR, until=now + until)
    return {one.key: one.value}


def seed(service: LocalAmplifyBackend, *environments: Any, tags: dict[str, str] | None = None, **more: Any) -> None:
    service.control.seed({"apps": [{"app_id": APP, "environments": list(environments), "tags": tags or {}, **more}]})


def old(name: str, hours: float = 8, **more: Any) -> dict[str, Any]:
    return {"name": name, "age_seconds": hours * 3600, **more}


def environments(service: LocalAmplifyBackend) -> set[str]:
    return set(service.client().get_backend(AppId=APP)["BackendEnvironmentList"])


def tags(service: LocalAmplifyBackend) -> dict[str, str]:
    found: dict[str, str] = service.client("amplify").get_app(appId=APP)["app"]["tags"]
    return found


def verdicts(run: Finished) -> dict[str, str]:
    decisions = run.xcom("reap.survey", "decisions")["decisions"]
    return {row["backend_environment_name"]: row["why"] for row in decisions}


def errors(run: Finished) -> dict[str, Any]:
    return {task: run.errors(task) for task in run.states}


def test_a_dry_run_is_the_default_and_changes_nothing(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    seed(service, old("orphan"), tags=lease("orphan") | lease("vanished"))
    run = dags.run(BODY.format(options=""))
    assert run.state == "success", errors(run)
    report = run.xcom("reap.report")
    assert report["dry_run"] is True
    assert [row["backend_environment_name"] for row in report["would_delete"]] == ["orphan"]
    assert "orphan" in environments(service)
    assert len(tags(service)) == 2
    assert not service.control.journal("DeleteBackend")


def test_only_what_nobody_needs_is_deleted(dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path) -> None:
    seed(
        service,
        *map(old, ("orphan", "leased", "pinned", "stuck", "unread", "test", "other")),
        old("locked", locked=True),
        old("stolen", 10),
        {"name": "testyoung"},
        tags=lease("orphan")
        | lease("leased", until=HOUR)
        | lease("pinned")
        | lease("stuck")
        | lease("locked")
        | lease("stolen")
        | lease("vanished")
        | {pin_key("pinned"): "Ann", "amplifybackend:lease:unread": "until tomorrow", "team": "web"},
        jobs=[{"environment": "stuck", "operation": "UpdateBackendAPI", "status": "RUNNING"}],
    )
    run = dags.run(
        BODY.format(
            options=f"name='test*', older_than='6h', dry_run=False, record={str(tmp_path)!r}, leftovers='report'"
        )
    )
    assert run.state == "success", errors(run)
    assert verdicts(run) == {
        "leased": "leased",
        "locked": "guarded",
        "orphan": "lease_ended",
        "other": "no_rule",
        "pinned": "pinned",
        "staging": "no_rule",
        "stolen": "older_than_lease",
        "stuck": "pending_job",
        "test": "matches",
        "testyoung": "young",
        "unread": "unreadable_lease",
        "vanished": "lease_ended",
    }
    assert environments(service) == verdicts(run).keys() - {"orphan", "test", "vanished"}
    assert tags(service).keys() & {f"amplifybackend:lease:{name}" for name in ("orphan", "vanished")} == set()
    assert tags(service)["team"] == "web"
    report = run.xcom("reap.report")
    assert {row["backend_environment_name"] for row in report["deleted"]} == {"orphan", "test"}
    assert [row["backend_environment_name"] for row in report["released"]] == ["vanished"]
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_what_is_protected_by_name_is_kept(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", "orph*")
    seed(service, old("orphan"), tags=lease("orphan"))
    run = dags.run(BODY.format(options="dry_run=False"))
    assert verdicts(run)["orphan"] == "protected"
    assert "orphan" in environments(service)


LIVING = """
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState
from airflow_provider_amplifybackend.hooks._leases import Leases
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

def take(run_id, dag_id):
    leases = Leases(AmplifyBackendHook(), APP)
    now = leases.read().now
    holder = Holder(dag_id, run_id, "preview")
    one = Lease.of(
        holder, "living", state=LeaseState.HELD, since=now - timedelta(hours=9), until=now - timedelta(hours=1)
    )
    leases.write(one.key, one.value)

@task
def own(run_id=None, dag=None):
    take({run_id}, dag.dag_id)
own() >> reap_environments(app_ids=[APP], waiter_delay=0.1, dry_run=False)
"""
IMPORT = "from airflow_provider_amplifybackend.task_groups.reaper import reap_environments\n"


@pytest.mark.parametrize(
    ("run_id", "why"),
    [("run_id", "run_lives"), ("'another'", "lease_ended"), ("run_id + '~' * 200", "run_unknown")],
    ids=["this run", "a deleted run", "a run whose id does not fit, while one of its DAG lives"],
)
def test_what_a_living_run_has_is_kept_however_long_its_lease_is_over(
    dags: DagRunner, service: LocalAmplifyBackend, run_id: str, why: str
) -> None:
    seed(service, old("living"))
    run = dags.run(IMPORT + LIVING.replace("{run_id}", run_id))
    assert run.state == "success", errors(run)
    assert verdicts(run)["living"] == why
    assert ("living" in environments(service)) is (why != "lease_ended")


def test_each_deletion_looks_again_before_its_request(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    """Somebody pins the environment after the survey has picked it."""
    seed(service, old("orphan"), old("second"), tags=lease("orphan") | lease("second"))
    between = """
group = reap_environments(app_ids=[APP], waiter_delay=0.1, dry_run=False)
from airflow_provider_amplifybackend.operators.lease import PinEnvironmentOperator
pin = PinEnvironmentOperator(task_id="pin", app_id=APP, backend_environment_name="orphan", note="Ann")
group.get_child_by_label("survey") >> pin >> group.get_child_by_label("delete")
"""
    run = dags.run(IMPORT + between)
    assert run.state == "success", errors(run)
    assert sorted(run.states[f"reap.delete[{index}]"] for index in (0, 1)) == ["skipped", "success"]
    assert environments(service) & {"orphan", "second"} == {"orphan"}
    assert "amplifybackend:lease:orphan" in tags(service)


def test_a_deletion_that_fails_fails_the_report(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    seed(service, old("orphan"), tags=lease("orphan"))
    service.control.add_fault("DeleteBackend", kind="job_fails")
    run = dags.run(BODY.format(options="dry_run=False"))
    assert run.state == "failed"
    assert f"Not reaped: orphan (app {APP})" in run.error("reap.report")
    assert "amplifybackend:lease:orphan" in tags(service)


def test_an_app_that_cannot_be_read_is_named_in_the_end_and_keeps_no_other_from_being_reaped(
    dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    seed(service, old("orphan"), tags=lease("orphan"))
    run = dags.run(BODY.replace("[APP]", "[APP, 'dgone', APP]").format(options="dry_run=False"))
    assert "orphan" not in environments(service)
    assert service.control.journal("DeleteBackend")[1:] == []
    error = run.error("reap.report")
    assert "Not read: dgone: The tags of app dgone" in error
    assert "Not reaped" not in error
    assert run.states["reap.delete[0]"] == "success"


def test_where_no_app_can_be_read_the_survey_fails(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(BODY.replace("[APP]", "['dgone', 'dgone2']").format(options="dry_run=False"))
    assert "The tags of app dgone," in run.error("reap.survey")


def test_what_one_run_of_airflow_cannot_map_is_left_to_the_next(
    dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    names = ["one", "three", "two"]
    seed(service, *map(old, names), tags=lease("one") | lease("two") | lease("three"))
    run = dags.run(BODY.format(options="dry_run=False"))
    assert run.state == "success", errors(run)
    assert verdicts(run) == {"staging": "no_rule", "one": "lease_ended", "three": "lease_ended", "two": "next_run"}
    assert environments(service) & {*names} == {"two"}
    assert dags.run(BODY.format(options="dry_run=False")).state == "success"
    assert environments(service) & {*names} == set()


def test_a_dag_whose_id_has_letters_of_any_script_is_asked_about(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    seed(service, old("orphan"), tags=lease("orphan", dag_id="größen_名前"))
    run = dags.run(BODY.format(options="dry_run=False"))
    assert run.state == "success", errors(run)
    assert verdicts(run)["orphan"] == "lease_ended"
    assert "orphan" not in environments(service)


@pytest.mark.parametrize("number", [0, "many", None, 1.5])
def test_how_many_deletions_run_at_once_is_a_number_from_1(number: Any) -> None:
    from airflow_provider_amplifybackend.exceptions import BackendParameterError
    from airflow_provider_amplifybackend.task_groups.reaper import reap_environments

    with pytest.raises(BackendParameterError, match="at_most"):
        reap_environments(at_most=number)


def test_a_name_without_an_age_is_refused(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(BODY.format(options="name='test*'"))
    assert "name and older_than belong together" in run.error("reap.survey")


def test_the_example_dag_reaps_when_it_is_told_to(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    seed(service, old("orphan"), old("testold", 100), tags=lease("orphan"))
    for dry_run in (True, False):
        dag = dags.load_file((ROOT / "example_dags" / "example_reaper.py").read_text(), "example_reaper")
        run = dags.run_dag(dag, conf={"app_ids": [APP], "dry_run": dry_run})
        assert run.state == "success", errors(run)
        assert run.xcom("reap.report")["dry_run"] is dry_run
        assert ("orphan" in environments(service), "testold" in environments(service)) == (dry_run, dry_run)
