"""Roads to what must stay, on a running Airflow of several processes, and approvals over its REST API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP
from tests.system.engine import RunningAirflow
from tests.system.engine_client import ApiError, wait_until
from tests.system.guard_tally import TALLY

pytestmark = pytest.mark.system

DAGS = Path(__file__).parent / "dags" / "guard"
GROUP = ("take_down.plan", "take_down.approve", "take_down.delete")


@pytest.fixture(scope="module")
def service() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(job_seconds=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(service: LocalAmplifyBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    connection = {
        "conn_type": "aws",
        "login": "123456789012",
        "password": "not-a-secret",
        "extra": {"region_name": "us-east-1", "endpoint_url": service.endpoint_url},
    }
    settings = {
        # The package of this checkout, installed or not.
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "AIRFLOW__AMPLIFYBACKEND__PROTECTED": "kept*",
        "LOCAL_AMPLIFY": service.endpoint_url,
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    }
    home = tmp_path_factory.mktemp("guard")
    with RunningAirflow(home, DAGS, connections={"aws_default": connection}, env=settings) as running:
        running.wait_ready(["on_worker", "mapped", "race", "approved", "approved_and_held"])
        yield running


class Target:
    """An environment, and what is done to it."""

    def __init__(self, service: LocalAmplifyBackend, name: str, app: str = APP) -> None:
        self.service, self.app = service, app
        self.name = f"{name}{uuid.uuid4().hex[:6]}"
        service.control.seed_app(app, self.name)

    @property
    def conf(self) -> dict[str, str]:
        return {"environment": self.name, "app": self.app}

    @property
    def deletions(self) -> int:
        return len(self.service.control.journal("DeleteBackend", environment=self.name))


Make = Callable[[str], Target]
KINDS = ("protected", "locked", "free")


@pytest.fixture
def make(service: LocalAmplifyBackend) -> Make:
    """Makes an environment that is protected by name, locked by a migration, or neither; each in an app of its own."""

    def made(kind: str) -> Target:
        target = Target(service, "kept" if kind == "protected" else "pr", APP)
        if kind == "locked":
            policy = {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}
            service.control.seed_app(APP, {"name": target.name, "stack_policy": policy})
        return target

    return made


def count(road: str, kind: str, target: Target) -> None:
    """Count a road, and look that it ended where it must."""
    reached = target.deletions
    if kind == "free":
        TALLY.reached |= {road} if reached else set()
        assert reached == 1
    else:
        TALLY.roads.add(f"{road}, {kind}")
        TALLY.destructive += reached
        assert reached == 0


def error_of(airflow: RunningAirflow, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
    lines = airflow.logs(dag_id, run_id, task_id, try_number)
    return "\n".join(str(line.get("error_detail") or line.get("event")) for line in lines)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dag_id", ["on_worker", "deferred", "retried", "teardown"])
def test_a_run_and_each_clear_of_it_end_before_the_service(
    airflow: RunningAirflow, make: Make, dag_id: str, kind: str
) -> None:
    target = make(kind)
    run_id = airflow.trigger(dag_id, target.conf)
    airflow.wait_run(dag_id, run_id)
    assert airflow.task(dag_id, run_id, "delete")["state"] == ("success" if kind == "free" else "failed")
    if kind != "free":
        assert "BackendGuardError" in error_of(airflow, dag_id, run_id, "delete")
        airflow.clear(dag_id, run_id, ["delete"])
        wait_until(lambda: airflow.task(dag_id, run_id, "delete")["try_number"] == 2, 60, "a second try")
        airflow.wait_run(dag_id, run_id)
    count(f"a run of {dag_id} and a clear", kind, target)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapping_over_the_list_of_the_app_spares_what_must_stay(
    airflow: RunningAirflow, service: LocalAmplifyBackend, kind: str
) -> None:
    app = f"d{uuid.uuid4().hex[:8]}"
    target = Target(service, "kept" if kind == "protected" else "pr", app)
    other = Target(service, "pr", app)
    if kind == "locked":
        service.control.lock(app, target.name)
    run_id = airflow.trigger("mapped", target.conf)
    airflow.wait_run("mapped", run_id)
    # The others of the list are deleted all the same.
    assert other.deletions == 1
    count("a mapping over the app's list", kind, target)


@pytest.mark.parametrize("attempt", range(4))
def test_of_two_tasks_that_race_the_lock_wins_if_it_comes_before_the_look(
    airflow: RunningAirflow, service: LocalAmplifyBackend, attempt: int
) -> None:
    app = f"d{uuid.uuid4().hex[:8]}"
    target = Target(service, "pr", app)
    run_id = airflow.trigger("race", target.conf)
    airflow.wait_run("race", run_id)
    rows = [(row["operation"], row["seq"]) for row in service.control.journal(app_id=app)]
    [locked] = [seq for name, seq in rows if name == "UpdateApp"]
    looked = [seq for name, seq in rows if name == "GetApp"]
    assert looked
    if target.deletions:
        assert looked[0] < locked
        TALLY.reached.add("two tasks that race")
    else:
        assert "GEN2_MIGRATION_ENVIRONMENT_NAME" in error_of(airflow, "race", run_id, "delete")
    TALLY.roads.add("two tasks that race")


def test_a_lock_that_comes_while_a_task_is_about_to_delete_wins(
    airflow: RunningAirflow, service: LocalAmplifyBackend
) -> None:
    app = f"d{uuid.uuid4().hex[:8]}"
    target = Target(service, "pr", app)
    # The task has begun, and its list of jobs is slow to come: until then the other task has set the lock.
    service.control.add_fault("ListBackendJobs", kind="delay", seconds=20, times=1)
    run_id = airflow.trigger("race", target.conf)
    airflow.wait_task("race", run_id, "lock", ["success"])
    airflow.wait_run("race", run_id)
    count("a lock that another task sets", "locked", target)


# ---------------------------------------------------------------------------------------------------------- approvals


def answer(airflow: RunningAirflow, dag_id: str, run_id: str, option: str, task_id: str = GROUP[1], **more: Any) -> Any:
    """Answer over the REST API, with the digest that the page shows unless told otherwise."""
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
    shown = airflow.call("GET", path)["params"]["digest"]
    digest = shown["value"] if isinstance(shown, dict) else shown
    body = {"chosen_options": [option], "params_input": {"digest": digest}, **more}
    return airflow.call("PATCH", path, body=body)


def ask(airflow: RunningAirflow, dag_id: str, target: Target, task_id: str = GROUP[1], **conf: Any) -> str:
    """Start a run, and wait until it asks."""
    run_id = airflow.trigger(dag_id, target.conf | conf)
    airflow.wait_task(dag_id, run_id, task_id, ["awaiting_input", "deferred"], timeout=90)
    return run_id


def states(airflow: RunningAirflow, dag_id: str, run_id: str) -> list[str]:
    known = {task["task_id"]: task["state"] for task in airflow.tasks(dag_id, run_id)}
    return [known[task_id] for task_id in GROUP]


@pytest.mark.parametrize("dag_id", ["approved", "approved_teardown"])
def test_what_is_approved_over_the_api_is_deleted(airflow: RunningAirflow, make: Make, dag_id: str) -> None:
    target = make("free")
    run_id = ask(airflow, dag_id, target)
    assert target.deletions == 0
    answer(airflow, dag_id, run_id, "Approve")
    assert airflow.wait_run(dag_id, run_id) == "success"
    count(dag_id, "free", target)


@pytest.mark.parametrize("dag_id", ["approved", "approved_teardown"])
def test_what_is_rejected_stays_whatever_is_cleared(airflow: RunningAirflow, make: Make, dag_id: str) -> None:
    target = make("free")
    run_id = ask(airflow, dag_id, target)
    answer(airflow, dag_id, run_id, "Reject")
    airflow.wait_run(dag_id, run_id)
    assert states(airflow, dag_id, run_id)[2] == ("skipped" if dag_id == "approved" else "failed")
    tries = airflow.task(dag_id, run_id, GROUP[2])["try_number"]
    airflow.clear(dag_id, run_id, [GROUP[2]])
    again = wait_until(
        lambda: (
            (now := airflow.task(dag_id, run_id, GROUP[2]))["state"] in ("failed", "skipped")
            and now["try_number"] > tries
            and now
        ),
        90,
        "end of the cleared task",
    )
    assert "is 'Reject'" in error_of(airflow, dag_id, run_id, GROUP[2], again["try_number"])
    count(f"{dag_id}, rejected and cleared", "locked", target)


@pytest.mark.parametrize("dag_id", ["approved", "approved_teardown"])
def test_an_answer_that_names_no_plan_approves_none(airflow: RunningAirflow, make: Make, dag_id: str) -> None:
    target = make("free")
    run_id = ask(airflow, dag_id, target)
    answer(airflow, dag_id, run_id, "Approve", params_input={})
    airflow.wait_run(dag_id, run_id)
    assert states(airflow, dag_id, run_id)[2] in ("failed", "upstream_failed")
    count(f"{dag_id}, without a digest", "locked", target)


@pytest.mark.parametrize("dag_id", ["approved_in_time", "approved_teardown_in_time"])
def test_if_nobody_answers_in_time_nothing_is_deleted(airflow: RunningAirflow, make: Make, dag_id: str) -> None:
    target = make("free")
    run_id = airflow.trigger(dag_id, target.conf)
    assert airflow.wait_run(dag_id, run_id) == "failed"
    _, approval, deletion = states(airflow, dag_id, run_id)
    assert (approval, deletion) == ("failed", "failed" if "teardown" in dag_id else "upstream_failed")
    count(f"{dag_id}, nobody", "locked", target)


def test_somebody_who_is_not_assigned_cannot_answer(airflow: RunningAirflow, make: Make) -> None:
    target = make("free")
    run_id = ask(airflow, "approved_by_ann", target)
    with pytest.raises(ApiError, match="is not a respondent"):
        answer(airflow, "approved_by_ann", run_id, "Approve")
    assert airflow.task("approved_by_ann", run_id, GROUP[1])["state"] in ("awaiting_input", "deferred")
    airflow.set_state("approved_by_ann", run_id, GROUP[1], "success")
    airflow.wait_run("approved_by_ann", run_id)
    assert "without an answer" in error_of(airflow, "approved_by_ann", run_id, GROUP[2])
    count("marked as a success by somebody who is not assigned", "locked", target)


def test_an_approval_does_not_hold_for_a_plan_that_is_made_after_it(
    airflow: RunningAirflow, service: LocalAmplifyBackend, make: Make, tmp_path: Path
) -> None:
    dag_id, target, file = "approved_and_held", make("free"), tmp_path / "go"
    run_id = ask(airflow, dag_id, target, "approve", file=str(file))
    answer(airflow, dag_id, run_id, "Approve", "approve")
    airflow.wait_task(dag_id, run_id, "wait_for_file", ["running"])
    service.control.seed_app(APP, {"name": target.name, "storage": {"files": None}})
    airflow.clear(dag_id, run_id, ["plan"], include_downstream=False)
    wait_until(lambda: airflow.task(dag_id, run_id, "plan")["try_number"] == 2, 60, "a second plan")
    airflow.wait_task(dag_id, run_id, "plan", ["success"])
    file.touch()
    assert airflow.wait_run(dag_id, run_id) == "failed"
    assert "approves another plan" in error_of(airflow, dag_id, run_id, "delete")
    count("an approval of an earlier plan", "locked", target)
    airflow.clear(dag_id, run_id, ["approve"], include_downstream=True)
    airflow.wait_task(dag_id, run_id, "approve", ["awaiting_input", "deferred"], timeout=90)
    answer(airflow, dag_id, run_id, "Approve", "approve")
    assert airflow.wait_run(dag_id, run_id) == "success"
    count("an approval of an earlier plan", "free", target)
