"""A deletion that somebody must approve: what the group does, and what no road around it does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion
from airflow_provider_amplifybackend.validation import validate_dag
from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner
from tests.samples import APP

hitl = pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow asks nobody before 3.1")
ROOT = Path(__file__).parents[2]
EXAMPLE = "example_guarded_deletion"
ANN = {"id": "7", "name": "Ann"}
# The one or the other, as `dag.test()` runs the approval, once more or still, before the deletion or after it.
NOT_GIVEN = "is not given in this run: its task is in state|has succeeded without an answer"
GROUP = """
from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion
group = guarded_deletion(
    "take_down", app_id=APP, backend_environment_name="staging", waiter_delay=0.1, {options}
)
"""


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    with timing.replaced(between_checks=0.01, before_resend=0.1):
        yield


@pytest.fixture
def deletions(service: LocalAmplifyBackend) -> Callable[[], int]:
    def count() -> int:
        return sum(len(service.control.journal(name)) for name in ("DeleteBackend", "RemoveAllBackends"))

    return count


def answer(option: str = "Approve", by: Any = ANN, **changes: Any) -> Callable[[Any], dict[str, Any]]:
    """Answers as the page of required actions does it, which sends the parameters of its form."""

    def to(question: Any) -> dict[str, Any]:
        params = question.params  # of Airflow 3.1 also those of the DAG
        form = {name: param["value"] if isinstance(param, dict) else param for name, param in params.items()}
        return {
            "chosen_options": [option],
            "params_input": form,
            "responded_by": by,
            "responded_at": datetime.now(UTC),
        } | changes

    return to


TASKS = ("plan", "approve", "delete")


def states(run: Any) -> list[str]:
    return [run.states[f"take_down.{name}"] for name in TASKS]


def test_what_is_approved_is_deleted_and_on_record(
    dags: DagRunner, people: Any, deletions: Callable[[], int], tmp_path: Path
) -> None:
    with people(answer()) as asked:
        run = dags.run(GROUP.format(options=f"record={str(tmp_path)!r}, leftovers='report', assigned_users={ANN}"))
    assert states(run) == ["success"] * 3
    assert deletions() == 1
    plan = run.xcom("take_down.plan")
    [question] = asked
    assert question["subject"] == "Delete environment 'staging' of app 'd1a2b3c4d5' in us-east-1?"
    assert question["body"] == plan["text"]
    assert question["assignees"] == [ANN]
    [file] = tmp_path.glob("*.json")
    approval = json.loads(file.read_text())["tries"][0]["approval"]
    assert (approval["by"], approval["digest"]) == ("Ann", plan["digest"])


def test_reject_skips_the_deletion(dags: DagRunner, people: Any, deletions: Callable[[], int]) -> None:
    with people(answer("Reject")):
        run = dags.run(GROUP.format(options=""))
    assert states(run) == ["success", "success", "skipped"]
    assert deletions() == 0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(answer("Reject"), "is 'Reject', by 'Ann'", id="rejected"),
        pytest.param(
            answer(by=None),
            "nobody has answered",
            id="by default",
            marks=pytest.mark.skipif(AIRFLOW < (3, 3), reason="only a time-out brings an answer of nobody before 3.3"),
        ),
        pytest.param(answer(params_input={}), "does not name the plan", id="without a digest"),
        pytest.param(answer(params_input={"digest": "b" * 64}), "approves another plan", id="of another plan"),
    ],
)
def test_a_teardown_deletes_nothing_that_was_not_approved(
    dags: DagRunner, people: Any, deletions: Callable[[], int], given: Any, reason: str
) -> None:
    as_teardown = """
@setup
def reserve(): ...
reserved = reserve()
reserved >> group
group.get_child_by_label("delete").as_teardown(setups=reserved)
"""
    with people(given):
        run = dags.run(GROUP.format(options="") + as_teardown)
    assert states(run) == ["success", "success", "failed"]
    assert reason in run.error("take_down.delete")
    assert deletions() == 0


def test_a_trigger_rule_does_not_get_around_an_approval(
    dags: DagRunner, people: Any, deletions: Callable[[], int]
) -> None:
    with people(answer("Reject")):
        run = dags.run(GROUP.format(options="trigger_rule='one_success'"))
    assert re.search(NOT_GIVEN, run.error("take_down.delete"))
    assert deletions() == 0


AGAIN = """
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.task_groups._approval import ApproveBackendDeletionOperator
names = {"app_id": APP, "backend_environment_name": "staging"}
plan = PlanBackendDeletionOperator(task_id="plan", **names)
approve = ApproveBackendDeletionOperator(task_id="approve", plan=plan.output)
"""


def test_an_approval_of_the_plan_before_is_none_of_the_plan_made_since(
    dags: DagRunner, people: Any, deletions: Callable[[], int]
) -> None:
    """As after a clear of the plan alone: the deletion has another plan than the approval."""
    body = (
        AGAIN
        + """
add_auth = CreateBackendAuthOperator(
    task_id="add_auth", resource_name="people", resource_config=AUTH, waiter_delay=0.1, **names
)
plan_again = PlanBackendDeletionOperator(task_id="plan_again", **names)
delete = DeleteBackendOperator(task_id="delete", plan=plan_again.output, approval=approve.output, **names)
approve >> add_auth >> plan_again
"""
    )
    with people(answer()):
        run = dags.run(body)
    assert "'approve' approves another plan, by 'Ann'" in run.error("delete")
    assert deletions() == 0


def test_an_approval_that_was_cleared_is_none_although_its_answer_is_there(
    dags: DagRunner, people: Any, deletions: Callable[[], int]
) -> None:
    body = (
        AGAIN
        + """
@task
def clear(**context):
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    with create_session() as session:
        rows = session.query(TaskInstance).filter_by(run_id=context["run_id"], task_id="approve")
        rows.filter_by(dag_id=context["dag"].dag_id).one().state = None
delete = DeleteBackendOperator(task_id="delete", plan=plan.output, approval="approve", **names)
approve >> clear() >> delete
"""
    )
    # The cleared task can ask again, and a question that nobody answers would never end.
    answers = chain([answer()], repeat(answer("Reject")))
    with people(lambda question: next(answers)(question)):
        run = dags.run(body)
    assert re.search(NOT_GIVEN, run.error("delete"))
    assert deletions() == 0


def test_each_index_of_a_mapped_group_has_an_approval_of_its_own(
    dags: DagRunner, service: LocalAmplifyBackend, people: Any, deletions: Callable[[], int]
) -> None:
    service.control.seed_app(APP, "pr7", "pr8")
    body = """
from airflow_provider_amplifybackend.task_groups.environment import guarded_deletion
@task_group
def each(name):
    guarded_deletion("take_down", app_id=APP, backend_environment_name=name, waiter_delay=0.1, trigger_rule="all_done")
each.expand(name=["pr7", "pr8"])
"""

    def one_of_two(question: Any) -> dict[str, Any]:
        return answer(
            "Approve" if "'pr8'" in question.subject else "Reject",
        )(question)

    with people(one_of_two):
        run = dags.run(body)
    assert run.states["each.take_down.delete[1]"] == "success"
    assert run.states["each.take_down.delete[0]"] in ("skipped", "failed")
    [deleted] = service.control.journal("DeleteBackend")
    assert deleted["parameters"]["BackendEnvironmentName"] == "pr8"


def test_a_whole_app_is_removed_after_its_approval(dags: DagRunner, people: Any, deletions: Callable[[], int]) -> None:
    with people(answer()):
        run = dags.run(
            GROUP.format(options="clean_amplify_app=False").replace('backend_environment_name="staging", ', "")
        )
    assert states(run) == ["success"] * 3
    assert run.xcom("take_down.delete")["Operation"] == "RemoveAllBackends"


@pytest.mark.parametrize("source", ["the page's example", "the example DAG"])
def test_an_example_deletes_what_was_approved(
    dags: DagRunner, service: LocalAmplifyBackend, people: Any, deletions: Callable[[], int], source: str
) -> None:
    service.control.seed_app(APP, {"name": "pr7", "auth": {"people": None}})
    if source == "the example DAG":
        dag = dags.load_file((ROOT / "example_dags" / "example_guarded_deletion.py").read_text(), EXAMPLE)
    else:
        chapter = (ROOT / "docs" / "taking-down.md").read_text().partition("## Approve\n")[2]
        dag = dags.load(chapter.partition("```python\n")[2].partition("```")[0])
    dag.get_task("take_down.delete").waiter_delay = 0.1
    with people(answer()) as asked:
        run = dags.run_dag(dag, conf={"app_id": APP, "environment": "pr7"} if dag.dag_id == EXAMPLE else None)
    assert states(run) == ["success"] * 3, [run.errors(task) for task in run.states]
    (form,) = (list(question["params"]) for question in asked)
    assert form[-1] == "digest"
    assert form == ["digest"] or AIRFLOW < (3, 2)  # 3.1 also asks for those of the DAG
    assert deletions() == 1


# What can be seen in a DAG

APPROVED = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
@setup
def reserve(): ...
reserved = reserve()
approve = ApprovalOperator(task_id="approve", subject="Delete it?")
delete = DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="staging", {options})
reserved >> approve >> delete
"""
TEARDOWN = "delete.as_teardown(setups=reserved)\n"


@hitl
def test_a_teardown_behind_an_approval_is_reported(dags: DagRunner) -> None:
    dag = dags.load(APPROVED.format(options="") + TEARDOWN)
    with pytest.raises(
        BackendParameterError, match="delete: is a teardown downstream of the approval 'approve'"
    ) as error:
        validate_dag(dag)
    assert "Airflow's Reject does not skip teardowns" in str(error.value)
    assert "set plan and approval='approve', or make it an ordinary task" in str(error.value)


@hitl
@pytest.mark.parametrize(
    "body",
    [
        APPROVED.format(options=""),
        APPROVED.format(options="plan='{{ 1 }}', approval=approve.output") + TEARDOWN,
        GROUP.format(options=""),
    ],
    ids=["an ordinary task", "checks itself", "the group"],
)
def test_a_deletion_that_an_approval_decides_about_is_not_reported(dags: DagRunner, body: str) -> None:
    validate_dag(dags.load(body))


@pytest.mark.parametrize(
    ("name", "place"), [("later", "is not upstream of this task"), ("x", "is no task of this DAG")]
)
def test_an_approval_that_cannot_be_given_before_is_reported(dags: DagRunner, name: str, place: str) -> None:
    dag = dags.load(
        f"""
later = BackendJobSensor(task_id="later", app_id=APP, no_job_pending=True, backend_environment_name="staging")
DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="staging", plan="{{{{ 1 }}}}",
    approval={name!r}) >> later
"""
    )
    with pytest.raises(BackendParameterError, match=f"approval='{name}' {place}"):
        validate_dag(dag)


def test_an_approval_without_a_plan_is_refused(dags: DagRunner, deletions: Callable[[], int]) -> None:
    run = dags.run(
        'DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="staging", approval="approve")'
    )
    assert "approval is that of a plan: set plan=plan.output, too" in run.error("delete")
    assert deletions() == 0


@hitl
def test_how_long_an_answer_is_waited_for_is_checked_where_the_dag_is_written() -> None:
    with pytest.raises(BackendParameterError, match="response_timeout must be a number with s, m, h, d or w"):
        guarded_deletion("take_down", app_id=APP, response_timeout="soon")


@pytest.mark.skipif(AIRFLOW >= (3, 1), reason="this Airflow asks")
def test_an_older_airflow_says_which_one_is_needed() -> None:
    with pytest.raises(ImportError, match=r"guarded_deletion needs Airflow 3\.1 or newer .* this is Airflow \d"):
        guarded_deletion("take_down", app_id=APP)
