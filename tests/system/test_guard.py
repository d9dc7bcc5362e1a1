"""Roads to what must stay, on a running Airflow of several processes, and approvals over its REST API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.samples import APP
from tests.system.engine import RunningAirflow
from tests.system.engine_client import AirflowClient, ApiError, wait_until
from tests.system.guard_tally import TALLY

pytestmark = pytest.mark.system

DAGS = Path(__file__).parent / "dags" / "guard"
# Neither of them may answer for the other.
PASSWORDS = {"bob": "bobs-password", "ann": "anns-password"}
GROUP = ("take_down.plan", "take_down.approve", "take_down.delete")


@pytest.fixture(scope="module")
def service() -> Iterator[LocalAmplifyBackend]:
    with LocalAmplifyBackend(job_seconds=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(service: LocalAmplifyBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    connection = json.loads(connection_json(service.endpoint_url))
    settings = {
        # The package of this checkout, installed or not.
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "AIRFLOW__AMPLIFYBACKEND__PROTECTED": "kept*",
        "LOCAL_AMPLIFY": service.endpoint_url,
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    }
    home = tmp_path_factory.mktemp("guard")
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS))
    settings |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:admin" for name in PASSWORDS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    airflow = RunningAirflow(home, DAGS, connections={"aws_default": connection}, env=settings)
    airflow.login = ("bob", PASSWORDS["bob"])
    with airflow as running:
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


def wait_error(
    airflow: RunningAirflow, dag_id: str, run_id: str, text: str, task_id: str = "delete", try_number: int = 1
) -> None:
    """Wait until the log of a task shows why it has failed: it is written a moment after the state."""

    def log() -> str:
        lines = airflow.logs(dag_id, run_id, task_id, try_number)
        return "\n".join(str(line.get("error_detail") or line.get("event")) for line in lines)

    wait_until(lambda: text in log(), 30, lambda: f"{text!r} in the log: {log()}")


def wait_second_try(airflow: RunningAirflow, dag_id: str, run_id: str, task_id: str, state: str) -> None:
    def look() -> bool:
        task = airflow.task(dag_id, run_id, task_id)
        return (task["try_number"], task["state"]) == (2, state)

    wait_until(look, 150, lambda: f"second try: {airflow.story(dag_id, run_id)}")


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
        wait_error(airflow, dag_id, run_id, "BackendGuardError")
        airflow.clear(dag_id, run_id, ["delete"])
        wait_second_try(airflow, dag_id, run_id, "delete", "failed")
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
        wait_error(airflow, "race", run_id, "GEN2_MIGRATION_ENVIRONMENT_NAME")
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


def answer(airflow: AirflowClient, dag_id: str, run_id: str, option: str, task_id: str = GROUP[1], **more: Any) -> Any:
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
    assert airflow.wait_run(dag_id, run_id) == "success", airflow.story(dag_id, run_id)
    count(dag_id, "free", target)


@pytest.mark.parametrize("dag_id", ["approved", "approved_teardown"])
def test_what_is_rejected_stays_whatever_is_cleared(airflow: RunningAirflow, make: Make, dag_id: str) -> None:
    target = make("free")
    run_id = ask(airflow, dag_id, target)
    answer(airflow, dag_id, run_id, "Reject")
    airflow.wait_run(dag_id, run_id)
    state = "skipped" if dag_id == "approved" else "failed"
    assert states(airflow, dag_id, run_id)[2] == state
    airflow.clear(dag_id, run_id, [GROUP[2]])
    if dag_id == "approved":  # the answer skips it again
        airflow.wait_run(dag_id, run_id)
        airflow.wait_task(dag_id, run_id, GROUP[2], [state])
    else:
        wait_second_try(airflow, dag_id, run_id, GROUP[2], state)
        wait_error(airflow, dag_id, run_id, "is 'Reject'", GROUP[2], 2)
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
    dag_id, target = "approved_by_ann", make("free")
    run_id = ask(airflow, dag_id, target)
    with pytest.raises(ApiError, match="is not a respondent"):
        answer(airflow, dag_id, run_id, "Approve")
    assert airflow.task(dag_id, run_id, GROUP[1])["state"] in ("awaiting_input", "deferred")
    airflow.set_state(dag_id, run_id, GROUP[1], "success")
    airflow.wait_run(dag_id, run_id)
    wait_error(airflow, dag_id, run_id, "without an answer", GROUP[2])
    count("marked as a success by somebody who is not assigned", "locked", target)


def test_who_is_assigned_can_answer(airflow: RunningAirflow, make: Make) -> None:
    dag_id, target = "approved_by_ann", make("free")
    run_id = ask(airflow, dag_id, target)
    ann = AirflowClient(airflow.api_url, login=("ann", PASSWORDS["ann"]))
    try:
        answer(ann, dag_id, run_id, "Approve")
    finally:
        ann.close()
    assert airflow.wait_run(dag_id, run_id) == "success", airflow.story(dag_id, run_id)
    count("somebody who is assigned", "free", target)


def test_an_approval_does_not_hold_for_a_plan_that_is_made_after_it(
    airflow: RunningAirflow, service: LocalAmplifyBackend, make: Make, tmp_path: Path
) -> None:
    dag_id, target, file = "approved_and_held", make("free"), tmp_path / "go"
    run_id = ask(airflow, dag_id, target, "approve", file=str(file))
    answer(airflow, dag_id, run_id, "Approve", "approve")
    airflow.wait_task(dag_id, run_id, "wait_for_file", ["running"])
    service.control.seed_app(APP, {"name": target.name, "storage": {"files": None}})
    airflow.clear(dag_id, run_id, ["plan"], include_downstream=False)
    wait_second_try(airflow, dag_id, run_id, "plan", "success")
    file.touch()
    assert airflow.wait_run(dag_id, run_id) == "failed"
    wait_error(airflow, dag_id, run_id, "approves another plan")
    count("an approval of an earlier plan", "locked", target)
    airflow.clear(dag_id, run_id, ["approve"], include_downstream=True)
    airflow.wait_task(dag_id, run_id, "approve", ["awaiting_input", "deferred"], timeout=90)
    # Airflow shows the page of the first time again: the digest of the plan as it is now is for whoever knows it.
    digest = airflow.xcom(dag_id, run_id, "plan")["digest"]
    answer(airflow, dag_id, run_id, "Approve", "approve", params_input={"digest": digest})
    assert airflow.wait_run(dag_id, run_id) == "success", airflow.story(dag_id, run_id)
    count("an approval of an earlier plan", "free", target)
