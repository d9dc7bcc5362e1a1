"""Deletions that keep to a plan, leave a record and prove what they did; the local service answers without moto."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.exceptions import (
    BackendGuardError,
    BackendJobFailedError,
    BackendLeftoversError,
    BackendParameterError,
    BackendRecordError,
)
from airflow_provider_amplifybackend.guard.record import TaskFacts, file_name
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators._deleting import memory_problem
from airflow_provider_amplifybackend.operators._deletion import BEFORE_KEY
from airflow_provider_amplifybackend.task_groups.ephemeral import ephemeral_environment
from airflow_provider_amplifybackend.task_groups.reaper import reap_environments
from airflow_provider_amplifybackend.validation import validate_dag
from tests.airflow_versions import AIRFLOW
from tests.dag_run import DagRunner
from tests.samples import APP
from tests.state_store import Crash, StateStore

PLAN = """
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
plan = PlanBackendDeletionOperator(task_id="plan", app_id=APP, backend_environment_name="staging")
"""
DELETE = """
delete = DeleteBackendOperator(
    task_id="delete", app_id=APP, backend_environment_name="staging", waiter_delay=0.1, {options}
)
"""
ADD_AUTH = """
add_auth = CreateBackendAuthOperator(
    task_id="add_auth", app_id=APP, backend_environment_name="staging", resource_name="people", resource_config=AUTH,
    waiter_delay=0.1,
)
plan >> add_auth >> delete
"""
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    with timing.replaced(between_checks=0.01, before_resend=0.1):
        yield


@pytest.fixture
def deletions(service: LocalAmplifyBackend) -> Callable[[], int]:
    """The number of requests that delete environments, whatever came of them."""

    def count() -> int:
        return sum(len(service.control.journal(name)) for name in ("DeleteBackend", "RemoveAllBackends"))

    return count


def the_record(folder: Path) -> dict[str, Any]:
    (file,) = folder.rglob("*.json")
    document: dict[str, Any] = json.loads(file.read_text())
    return document


# The plan


def test_a_plan_says_what_goes_and_what_cannot_be_read(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}, "storage": {"files": None}})
    run = dags.run(PLAN)
    plan = run.xcom("plan")
    assert plan["environments"] == ["staging"]
    types = [thing["type"] for thing in plan["goes"]]
    assert {"AWS::CloudFormation::Stack", "AWS::Cognito::UserPool", "AWS::S3::Bucket", "AWS::IAM::Role"} <= set(types)
    assert "Amplify::BackendEnvironment" in types
    # Without moto there is no Cognito to count users, and no Systems Manager.
    assert any("ssm:DescribeParameters" in gap["why"] for gap in plan["unknown"])
    assert plan["signs"] == []
    assert plan["digest"] in plan["text"]
    assert plan["text"] in run.messages("info")
    assert run.xcom("plan", "text") == plan["text"]


def test_a_plan_names_the_signs_for_which_the_guard_refuses(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.seed_app(APP, {"name": "staging", "locked": True})
    plan = dags.run(PLAN).xcom("plan")
    assert {sign["reason"] for sign in plan["signs"]} == {"migrating", "locked"}


def test_a_deletion_that_keeps_to_its_plan_goes_ahead(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    run = dags.run(PLAN + DELETE.format(options="plan=plan.output"))
    assert run.states == {"plan": "success", "delete": "success"}
    assert deletions() == 1


@MODES
def test_an_environment_that_changes_after_its_plan_is_not_deleted(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], deferrable: bool
) -> None:
    run = dags.run(PLAN + DELETE.format(options=f"plan=plan.output, deferrable={deferrable}, retries=2") + ADD_AUTH)
    assert run.states["delete"] == "failed"
    error = run.error("delete")
    assert error.startswith("BackendGuardError: DeleteBackend (environment 'staging', app 'd1a2b3c4d5') was refused")
    assert "no longer what was planned" in error
    assert "new: AWS::Cognito::UserPool us-east-1_" in error
    assert deletions() == 0


def test_a_plan_for_another_environment_is_refused(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    service.control.seed_app(APP, "other")
    run = dags.run(PLAN.replace('"staging"', '"other"') + DELETE.format(options="plan=plan.output"))
    assert "the plan is for environment 'other' of app" in run.error("delete")
    assert "and this deletes environment 'staging'" in run.error("delete")
    assert deletions() == 0


def test_a_plan_without_the_app_does_not_cover_its_removal(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    run = dags.run(
        PLAN.replace(', backend_environment_name="staging"', "")
        + 'RemoveAllBackendsOperator(task_id="remove", app_id=APP, plan=plan.output, clean_amplify_app=True)'
    )
    assert "and this deletes all environments of app 'd1a2b3c4d5' in us-east-1, and the app itself" in run.error(
        "remove"
    )
    assert deletions() == 0


def test_all_environments_are_removed_by_their_plan(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    service.control.seed_app(APP, "other", branches=["main"])
    run = dags.run(
        PLAN.replace('backend_environment_name="staging"', "clean_amplify_app=True")
        + 'RemoveAllBackendsOperator(task_id="remove", app_id=APP, plan=plan.output, clean_amplify_app=True,\n'
        "    waiter_delay=0.1)"
    )
    assert run.state == "success"
    plan = run.xcom("plan")
    assert sorted(plan["environments"]) == ["other", "staging"]
    assert {"AWS::Amplify::App", "AWS::Amplify::Branch"} <= {thing["type"] for thing in plan["goes"]}
    assert deletions() == 1


def test_an_environment_that_is_made_after_the_plan_stops_the_removal_of_all(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    run = dags.run(
        PLAN.replace(', backend_environment_name="staging"', "")
        + 'clone = CloneBackendOperator(task_id="clone", app_id=APP, backend_environment_name="staging",\n'
        '    target_environment_name="copy", waiter_delay=0.1)\n'
        'remove = RemoveAllBackendsOperator(task_id="remove", app_id=APP, plan=plan.output)\n'
        "plan >> clone >> remove"
    )
    assert "new: Amplify::BackendEnvironment copy, which goes" in run.error("remove")
    assert deletions() == 0


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        ("'{{ ti.xcom_pull(\"nobody\") }}'", "plan='None' is missing a value"),
        (
            "'{{ ti.xcom_pull(\"plan\") }}'",
            "JSON has double quotes, and true, false and null; pass plan.output, or a template that ends with | tojson",
        ),
        ("'[1]'", "plan=<list> must be a plan"),
        ("{'digest': 'x', 'app_id': APP, 'version': 99}", "plan is a plan of version 99"),
        ("{'something': 'else'}", "plan is no plan"),
        ('\'{{ ti.xcom_pull("plan") | tojson | replace("UserPool", "Nothing") }}\'', "plan was altered"),
    ],
)
def test_what_is_no_plan_is_refused_before_anything_is_asked(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], plan: str, complaint: str
) -> None:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    run = dags.run(PLAN + DELETE.format(options=f"plan={plan}") + "plan >> delete")
    assert complaint in run.error("delete")
    assert deletions() == 0


def test_a_plan_as_json_text_is_a_plan(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    run = dags.run(PLAN + DELETE.format(options="plan='{{ ti.xcom_pull(\"plan\") | tojson }}'") + "plan >> delete")
    assert run.state == "success"
    assert deletions() == 1


def test_a_plan_that_turns_out_to_be_none_is_not_as_if_there_were_none(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    run = dags.run(DELETE.format(options="plan=lambda context, jinja_env: None"))
    assert "plan='' is missing a value" in run.error("delete")
    assert deletions() == 0


# The record


@MODES
def test_a_record_is_written_before_the_request_and_completed_after_the_job(
    dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path, deferrable: bool
) -> None:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    run = dags.run(
        PLAN
        + DELETE.format(options=f"plan=plan.output, record={str(tmp_path)!r}, deferrable={deferrable}, owner='night'")
    )
    assert run.state == "success"
    document = the_record(tmp_path)
    assert document["request"] == {"AppId": APP, "BackendEnvironmentName": "staging"}
    assert (document["dag_id"], document["run_id"], document["task_id"]) == (run.dag_id, run.run_id, "delete")
    (entry,) = document["tries"]
    assert (entry["state"], entry["outcome"], entry["try_number"]) == ("completed", "started", 1)
    assert entry["by"]["owner"] == "night"
    assert entry["plan"] == entry["before"]["digest"] == run.xcom("plan")["digest"]
    result = run.xcom("delete")
    assert result.pop("record").startswith(str(tmp_path))
    assert entry["job"] == result
    assert entry["configuration"]["staging"]["resources"]["auth/people"]["AuthResources"]
    (file,) = tmp_path.rglob("*.json")
    assert file.name.startswith(f"{APP}_staging_")


def test_a_record_has_no_secrets(dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path) -> None:
    service.control.set(native_client_secret=True)
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}, "api": {"shop": None}})
    meta = service.client().get_backend(AppId=APP, BackendEnvironmentName="staging")["AmplifyMetaConfig"]
    secrets = [
        entry["output"][name]
        for kind, name in (("auth", "AppClientSecret"), ("api", "GraphQLAPIKeyOutput"))
        for entry in json.loads(meta)[kind].values()
    ]
    run = dags.run(DELETE.format(options=f"record={str(tmp_path)!r}"))
    assert run.state == "success"
    text = json.dumps(the_record(tmp_path))
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in text]
    assert "***" in text


@pytest.mark.parametrize(
    ("record", "complaint"),
    [("{file}", "cannot be written, and nothing is deleted without its record"), ("s3://bucket/prefix", "[records]")],
)
@MODES
def test_without_its_record_nothing_is_deleted(
    dags: DagRunner,
    service: LocalAmplifyBackend,
    deletions: Callable[[], int],
    tmp_path: Path,
    record: str,
    complaint: str,
    deferrable: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    (tmp_path / "file").write_text("in the way")
    place = record.format(file=tmp_path / "file")
    run = dags.run(DELETE.format(options=f"record={place!r}, deferrable={deferrable}, retries=1"))
    assert complaint in run.error("delete")
    assert deletions() == 0
    assert run.tries["delete"] == 1


def test_each_try_has_an_entry_in_the_record(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path
) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", error="DELETE_FAILED", times=1)
    run = dags.run(
        DELETE.format(options=f"record={str(tmp_path)!r}, retries=1, retry_delay=timedelta(0), deferrable=True")
    )
    assert run.state == "success"
    first, second = the_record(tmp_path)["tries"]
    assert (first["state"], second["state"]) == ("failed", "completed")
    assert "DELETE_FAILED" in first["error"]
    assert first["job"]["Status"] == "FAILED"
    assert deletions() == 2


def test_a_skipped_deletion_is_recorded_as_skipped(
    dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    run = dags.run(DELETE.replace("staging", "nobody").format(options=f"record={str(tmp_path)!r}, if_missing='skip'"))
    assert run.state == "success"
    (entry,) = the_record(tmp_path)["tries"]
    assert (entry["state"], entry["outcome"]) == ("skipped", "skipped")
    assert "before" not in entry


def test_a_refused_deletion_is_recorded_as_refused(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path
) -> None:
    service.control.seed_app(APP, {"name": "staging", "locked": True})
    dags.run(DELETE.format(options=f"record={str(tmp_path)!r}"))
    (entry,) = the_record(tmp_path)["tries"]
    assert entry["state"] == "refused"
    assert "BackendGuardError" in entry["error"]
    assert deletions() == 0


def context(store: StateStore | None, *, try_number: int = 1) -> Any:
    """As much of a context as a deletion needs; without a store it is that of Airflow before 3.3."""
    instance = SimpleNamespace(
        dag_id="nightly", run_id="r1", task_id="delete", map_index=-1, try_number=try_number, max_tries=1,
        xcom_push=lambda key, value: None,
    )  # fmt: skip
    known = {"ti": instance, "dag_run": SimpleNamespace(clear_number=0, start_date=None)}
    return known if store is None else {**known, "task_state_store": store}


def task(dags: DagRunner, **options: Any) -> Any:
    """A task that deletes `staging`, as each try has its own."""
    return dags.load(DELETE.format(options=f"**{options!r}")).task_dict["delete"]


def test_a_try_that_dies_after_its_request_is_completed_by_the_next_one(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path
) -> None:
    service.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    options = {"record": str(tmp_path), "leftovers": "report"}
    store = StateStore(dies_before_write=2)  # the intent is stored, the answer is not
    with pytest.raises(Crash):
        task(dags, **options).execute(context(store))
    store.dies_before_write = None
    result = task(dags, **options).execute(context(store, try_number=2))
    assert result["outcome"] == "adopted"
    assert len(result["leftovers"]) == 1
    first, second = the_record(tmp_path)["tries"]
    assert (first["state"], second["state"]) == ("requesting", "completed")
    assert second["proof"]["leftovers"] == result["leftovers"]
    assert deletions() == 1


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="no task state store")
def test_what_was_there_before_is_in_the_state_store_where_nothing_else_has_it(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int]
) -> None:
    service.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    store = StateStore(dies_before_write=3)
    with pytest.raises(Crash):
        task(dags, leftovers="report").execute(context(store))
    assert deletions() == 1
    store.dies_before_write = None
    assert len(task(dags, leftovers="report").execute(context(store, try_number=2))["leftovers"]) == 1


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="no task state store")
@pytest.mark.parametrize("earlier", [True, False], ids=["read", "of another version"])
def test_what_only_a_failed_try_has_seen_is_looked_for_after_the_one_that_completes(
    dags: DagRunner, service: LocalAmplifyBackend, earlier: bool
) -> None:
    service.control.add_fault("DeleteBackend", kind="job_fails", error="DELETE_FAILED", times=1)
    store = StateStore()
    with pytest.raises(BackendJobFailedError):
        task(dags, leftovers="fail").execute(context(store))
    if not earlier:
        store.set(BEFORE_KEY, store.get(BEFORE_KEY) | {"version": 0})
    # The configuration names another stack now, so that the next try does not see the first one's.
    meta = {"providers": {"awscloudformation": {"StackName": "amplify-other"}}}
    service.control.seed_app(APP, {"name": "staging", "meta": meta})
    service.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    with pytest.raises(BackendLeftoversError) as error:
        task(dags, leftovers="fail").execute(context(store, try_number=2))
    if earlier:
        assert [left["type"] for left in error.value.leftovers] == ["AWS::CloudFormation::Stack"]
    else:
        assert "a plan of version 0" in str(error.value)


def test_without_a_store_leftovers_need_a_plan_or_a_record(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path
) -> None:
    with pytest.raises(BackendParameterError, match="needs plan or record on Airflow before"):
        task(dags, leftovers="report").execute(context(None))
    assert deletions() == 0
    assert task(dags, leftovers="report", record=str(tmp_path)).execute(context(None))["leftovers"] == []


@pytest.mark.parametrize(
    ("leftovers", "memories", "has_store", "is_problem"),
    [
        ("report", (None, None), False, True),
        ("fail", (None, None), False, True),
        ("report", (None, "/records"), False, False),
        ("report", ({"digest": "a"}, None), False, False),
        ("report", (None, None), True, False),
        (None, (None, None), False, False),
        ("{{ params.leftovers }}", (None, None), False, False),
    ],
)
def test_what_was_there_before_must_be_remembered(
    leftovers: str | None, memories: tuple[Any, Any], has_store: bool, is_problem: bool
) -> None:
    problem = memory_problem(leftovers, *memories, has_store=has_store)
    assert (problem is not None) == is_problem
    assert problem is None or f"leftovers={leftovers!r} needs plan or record" in problem


@pytest.mark.skipif(AIRFLOW >= (3, 3), reason="this Airflow remembers it")
def test_leftovers_that_cannot_be_looked_for_are_refused_before_an_environment_is_made(
    dags: DagRunner,
) -> None:
    with pytest.raises(BackendParameterError, match=r"needs plan or record on Airflow before 3\.3"):
        validate_dag(dags.load(DELETE.format(options="leftovers='report'")))
    for refused in (
        lambda: ephemeral_environment("preview", app_id=APP, source="staging", ttl="6h", leftovers="report"),
        lambda: reap_environments(leftovers="fail"),
    ):
        with pytest.raises(BackendParameterError, match=r"needs record on Airflow before 3\.3"):
            refused()


def test_a_record_that_cannot_be_completed_fails_the_task_and_a_retry_completes_it(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path
) -> None:
    folder, store = tmp_path / "records", StateStore()
    operator = task(dags, record=str(folder))
    away = tmp_path / "away"

    def lose_folder(key: str, value: Any) -> None:
        if key == "JobId":  # the job has been accepted
            folder.rename(away)
            folder.write_text("in the way")

    first = context(store)
    first["ti"].xcom_push = lose_folder
    with pytest.raises(BackendRecordError, match=r"completed: DeleteBackend .* cannot be completed"):
        operator.execute(first)
    folder.unlink()
    away.rename(folder)
    assert task(dags, record=str(folder)).execute(context(store, try_number=2))["outcome"] == "adopted"
    assert [entry["state"] for entry in the_record(folder)["tries"]] == ["requesting", "completed"]
    assert deletions() == 1


def test_what_is_no_record_is_left_as_it_is_and_nothing_is_deleted(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path
) -> None:
    name = file_name(APP, "staging", TaskFacts("nightly", "r1", "delete", -1, 1, by={}))
    (tmp_path / name).write_text('{"kind": "something else"}')
    with pytest.raises(BackendGuardError, match="no record of this version") as error:
        task(dags, record=str(tmp_path)).execute(context(StateStore()))
    assert error.value.reason is GuardRefusal.RECORD
    assert (tmp_path / name).read_text() == '{"kind": "something else"}'
    assert deletions() == 0


# The proof


@MODES
def test_a_deletion_that_leaves_nothing_says_so(
    dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    run = dags.run(PLAN + DELETE.format(options=f"plan=plan.output, leftovers='report', deferrable={deferrable}"))
    assert run.state == "success"
    result = run.xcom("delete")
    assert result["leftovers"] == []
    # The environment's name, its root stack and the nested one: the other services are not there without moto.
    assert result["proof"]["gone"] == 3
    assert any("cognito-idp:DescribeUserPool" in gap["why"] for gap in result["proof"]["unknown"])


@MODES
@pytest.mark.parametrize(
    "source",
    [
        pytest.param("plan=plan.output", id="plan"),
        pytest.param("record={record!r}", id="record"),
        pytest.param("", id="state", marks=pytest.mark.skipif(AIRFLOW < (3, 3), reason="no task state store")),
    ],
)
def test_a_stack_that_stays_is_named_with_its_page_and_its_command(
    dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path, deferrable: bool, source: str
) -> None:
    service.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    options = f"{source.format(record=str(tmp_path))}, leftovers='report', deferrable={deferrable}".lstrip(", ")
    run = dags.run(PLAN + DELETE.format(options=options) + "plan >> delete")
    assert run.state == "success"
    (left,) = run.xcom("delete")["leftovers"]
    assert left["type"] == "AWS::CloudFormation::Stack"
    assert left["command"] == f"aws cloudformation delete-stack --region us-east-1 --stack-name {left['id']}"
    assert left["console"].startswith("https://us-east-1.console.aws.amazon.com/cloudformation/home?region=us-east-1#")
    assert any(left["id"] in line for line in run.messages("warning"))
    if "record" in source:
        assert the_record(tmp_path)["tries"][0]["proof"]["leftovers"] == [left]


@MODES
def test_leftovers_can_fail_the_task_and_a_retry_looks_again(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path, deferrable: bool
) -> None:
    service.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    run = dags.run(
        DELETE.format(
            options=f"leftovers='fail', record={str(tmp_path)!r}, deferrable={deferrable}, retries=1, "
            "retry_delay=timedelta(0)"
        )
    )
    assert run.states == {"delete": "failed"}
    first, second = run.errors("delete")
    for error in (first, second):
        assert error.startswith("BackendLeftoversError: COMPLETED, but 1 thing is left behind: job ")
        assert "aws cloudformation delete-stack" in error
    assert deletions() == 1
    tries = the_record(tmp_path)["tries"]
    assert [entry["outcome"] for entry in tries] == ["started", "adopted"]
    assert all(entry["proof"]["leftovers"] for entry in tries)


@MODES
def test_what_cannot_be_read_is_not_proven_gone(
    dags: DagRunner, service: LocalAmplifyBackend, deletions: Callable[[], int], tmp_path: Path, deferrable: bool
) -> None:
    service.control.seed_app(APP, {"name": "staging", "auth": {"people": None}})
    run = dags.run(DELETE.format(options=f"leftovers='fail', record={str(tmp_path)!r}, deferrable={deferrable}"))
    error = run.error("delete")
    assert error.startswith("BackendLeftoversError: COMPLETED, but it is not proven that nothing is left behind: job ")
    # One that can be looked for and may not be read, and those whose names nobody knows.
    assert "AWS::Cognito::UserPool us-east-1_" in error
    assert "cognito-idp:DescribeUserPool" in error
    assert f"the parameters in /amplify/{APP}/staging/: ssm:DescribeParameters" in error
    assert deletions() == 1


def test_what_was_left_behind_by_an_earlier_try_fails_a_try_that_has_nothing_to_delete(
    dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.add_fault("DeleteBackend", kind="leftovers", what=["stack"])
    run = dags.run(
        PLAN
        + 'gone = DeleteBackendOperator(task_id="gone", app_id=APP, backend_environment_name="staging",\n'
        + "    waiter_delay=0.1)\n"
        + DELETE.format(options="plan=plan.output, leftovers='fail', if_missing='skip'")
        + "plan >> gone >> delete"
    )
    error = run.error("delete")
    assert error.startswith("BackendLeftoversError: There was nothing to delete, but 1 thing is left behind.")
    assert "aws cloudformation delete-stack" in error


def test_leftovers_are_only_looked_for_after_a_wait(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    run = dags.run(DELETE.format(options="leftovers='report', wait_for_completion=False"))
    assert "set wait_for_completion=True" in run.error("delete")


def test_a_job_that_is_not_waited_for_is_recorded_as_running(
    dags: DagRunner, service: LocalAmplifyBackend, tmp_path: Path
) -> None:
    service.control.set(job_seconds=3600)
    run = dags.run(DELETE.format(options=f"record={str(tmp_path)!r}, wait_for_completion=False"))
    assert run.state == "success"
    assert the_record(tmp_path)["tries"][0]["state"] == "running"


def test_without_plan_record_and_proof_nothing_more_is_read(dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.clear_journal()
    dags.run(DELETE.format(options=""))
    assert not service.control.journal("ListStackResources") + service.control.journal("GetTemplate")
