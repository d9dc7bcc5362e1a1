"""The tab "Amplify job": what a task has left, in every state, without a request to AWS."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.notes import ERROR_KEY, OTHER_KEY, WAIT_KEY, wait_note
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.operators import _job_base
from airflow_provider_amplifybackend.plugins import _database
from airflow_provider_amplifybackend.plugins._database import TaskKey, left_by, stored_value
from airflow_provider_amplifybackend.plugins._job_facts import (
    JOB_ID_KEY,
    NOTE_KEYS,
    OTHERS_KEYS,
    RESULT_KEY,
    TaskState,
    facts_of,
)
from airflow_provider_amplifybackend.plugins._job_page import page
from airflow_provider_amplifybackend.tasks.notes import note_wait
from tests.dag_run import DagRunner, Finished
from tests.plugins.test_fleet_page import ATTACKS, Page, text_of
from tests.samples import APP

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

Get = Callable[..., Any]
CLONE = """
CloneBackendOperator(
    task_id="clone", app_id=APP, backend_environment_name="staging", target_environment_name="copy",
    waiter_delay=0.1, {options}
)
"""
REF = JobRef(APP, "j-1", ("copy",), "CloneBackend")
NOW = 1_800_000_000.0


def tab(get: Get, run: Finished, task_id: str = "clone", map_index: int | str = -1) -> Any:
    return get_tab(get, run.dag_id, run.run_id, task_id, map_index)


def get_tab(get: Get, dag_id: str, run_id: str, task_id: str, map_index: int | str = -1) -> Any:
    quoted = run_id.replace("+", "%2B")
    answer = get(f"/job/{dag_id}?run_id={quoted}&task_id={task_id}&map_index={map_index}")
    assert answer.status_code == 200
    return answer


def only_run(dag_id: str) -> str:
    """Return the id of the only run of a DAG."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return str(session.scalar(select(TaskInstance.run_id).where(TaskInstance.dag_id == dag_id)))


# -------------------------------------------------------------------------------------------------------- real tasks


@pytest.mark.parametrize("options", ["deferrable=True", "deferrable=False"])
def test_a_task_that_has_succeeded_shows_its_job_and_how_it_came_to_it(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, options: str
) -> None:
    run = dags.run(CLONE.format(options=options))
    service.control.clear_journal()
    shown = text_of(tab(get, run))
    assert re.search(r"COMPLETED after \d+ s: CloneBackend, environment copy", shown)
    assert "started by this task" in shown
    assert run.xcom("clone")["JobId"] in shown
    assert "usually" in shown
    assert service.control.journal() == []


def test_a_task_that_is_deferred_shows_the_job_that_it_waits_for(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

    service.control.set(job_seconds=2)  # longer than the start takes on a busy machine, so that it is deferred
    seen: list[Any] = []
    run_trigger = BackendJobTrigger.run

    async def look_and_run(trigger: BackendJobTrigger) -> AsyncIterator[TriggerEvent]:
        seen.append(look())
        async for event in run_trigger(trigger):
            yield event

    def look() -> Any:
        return get_tab(get, dag.dag_id, only_run(dag.dag_id), "clone")

    monkeypatch.setattr(BackendJobTrigger, "run", look_and_run)
    dag = dags.load(CLONE.format(options="deferrable=True"))
    run = dags.run_dag(dag)
    assert run.states == {"clone": "success"}
    shown = text_of(seen[0])
    assert re.search(r"RUNNING for \d+ s; no earlier job to compare with: CloneBackend, environment copy", shown), shown
    assert run.xcom("clone")["JobId"] in shown
    assert "started by this task" in shown
    assert "Waits until" in shown
    assert "AmplifyBackend cannot cancel jobs" in shown
    assert '<meta http-equiv="refresh"' in seen[0].text


def clone_and_delete(service: LocalAmplifyBackend, seconds: float) -> None:
    """Leave a clone of as many seconds among the environment's jobs, and no environment."""
    service.control.set(job_seconds=seconds)
    copy = {"AppId": APP, "BackendEnvironmentName": "copy"}
    service.client().clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName="copy")
    service.control.advance(seconds + 1)
    service.client().delete_backend(**copy)
    service.control.advance(seconds + 1)
    service.control.set(job_seconds=0.2)


@pytest.mark.parametrize("options", ["deferrable=True", "deferrable=False"])
def test_a_task_that_has_failed_shows_the_error_of_the_service_and_what_to_do(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, options: str
) -> None:
    clone_and_delete(service, seconds=120)
    service.control.add_fault("CloneBackend", kind="job_fails", error="Resource limit <b>exceeded</b>")
    answer = tab(get, dags.run(CLONE.format(options=options)))
    shown = text_of(answer)
    assert re.search(r"FAILED after \d+ s: CloneBackend, environment copy", shown)
    assert re.search(r"Took\s+\d+ s; usually 2 min 0 s", shown), shown
    assert "Resource limit <b>exceeded</b>" in html.unescape(answer.text)
    assert "Resource limit &lt;b&gt;exceeded" in answer.text
    assert 'set on_failure="delete_target"' in shown
    assert "BackendJobFailedError" in shown
    assert '<meta http-equiv="refresh"' not in answer.text


@pytest.mark.parametrize("ends", ["COMPLETED", "FAILED"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_that_has_waited_for_another_job_shows_for_which_while_it_waits_and_afterwards(
    get: Get,
    dags: DagRunner,
    service: LocalAmplifyBackend,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
    ends: str,
) -> None:
    service.control.set(job_seconds=3600)  # each job ends when the tab has been looked at
    busy = {"environment": "staging", "operation": "CreateBackendStorage", "status": "RUNNING", "job_id": "j-other"}
    service.control.seed(apps=[{"app_id": APP, "environments": ["staging"], "jobs": [busy]}])
    seen: list[str] = []

    def note_and_look(*args: Any) -> None:
        note_wait(*args)
        seen.append(text_of(get_tab(get, dag.dag_id, only_run(dag.dag_id), "clone")))
        running = [job for job in service.control.jobs() if job["Status"] not in ("COMPLETED", "FAILED")]
        for job in running:
            service.control.end_job(job["JobId"], status=ends if len(seen) == 2 else "COMPLETED")

    monkeypatch.setattr(_job_base, "note_wait", note_and_look)
    dag = dags.load(CLONE.format(options=f"deferrable={deferrable}"))
    run = dags.run_dag(dag)
    assert run.states == {"clone": "success" if ends == "COMPLETED" else "failed"}
    who = "job j-other (CreateBackendStorage"
    for_other, for_own = seen
    assert "Waiting for another job to end before CloneBackend can start, environment copy" in for_other
    assert who in for_other
    assert re.search(r"RUNNING for \d+ s", for_own)
    assert "Waiting for another job" not in for_own
    for shown in (for_own, text_of(tab(get, run))):
        assert re.search(rf"Waited for\s+{re.escape(who)}.*?, which held the environment", shown, re.DOTALL), shown
    assert re.search(rf"{ends} after \d+ s: CloneBackend, environment copy", text_of(tab(get, run)))


def test_a_task_that_was_refused_shows_why(get: Get, dags: DagRunner) -> None:
    run = dags.run(
        'DeleteBackendOperator(task_id="delete", app_id=APP, backend_environment_name="nothing", if_missing="fail")'
    )
    shown = text_of(tab(get, run, "delete"))
    assert "BackendStartError (reason: " in shown
    assert "environment nothing" in shown


def test_no_secret_of_a_failed_task_is_left_for_the_tab(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend
) -> None:
    secret = "hush-hush-hush-1"
    service.control.add_fault("CreateBackendAuth", kind="job_fails", error=f"bad client_secret={secret} given")
    run = dags.run(
        f"""
        config = json.loads(json.dumps(AUTH))
        config["UserPoolConfigs"]["OAuth"] = {{
            "DomainPrefix": "x", "OAuthGrantType": "CODE", "OAuthScopes": ["EMAIL"],
            "RedirectSignInURIs": ["https://a.example/"], "RedirectSignOutURIs": ["https://a.example/"],
            "SocialProviderSettings": {{"Google": {{"ClientId": "id", "ClientSecret": "{secret}"}}}},
        }}
        CreateBackendAuthOperator(
            task_id="clone", app_id=APP, backend_environment_name="staging", resource_name="people",
            resource_config=config, waiter_delay=0.1, deferrable=False,
        )
        """
    )
    assert run.states == {"clone": "failed"}, run.states
    answer = tab(get, run)
    assert "BackendJobFailedError" in answer.text
    assert secret not in answer.text
    assert secret not in json.dumps([str(value) for value in run.xcoms().values()])


def test_a_mapped_task_shows_each_of_its_environments(get: Get, dags: DagRunner) -> None:
    run = dags.run("""
        CloneBackendOperator.partial(
            task_id="clone", app_id=APP, backend_environment_name="staging", waiter_delay=0.1,
        ).expand(target_environment_name=["one", "two"])
    """)
    assert "CloneBackend, environment two" in text_of(tab(get, run, map_index=1))
    # Airflow leaves its placeholder for the task as a whole.
    answer = tab(get, run, map_index="%7BMAP_INDEX%7D")
    shown = text_of(answer)
    assert [name for name in ("one", "two") if name in shown] == ["one", "two"]
    assert any(address.endswith("/tasks/clone/mapped/1") for address in Page(answer.text).addresses)


def test_a_mapped_task_as_a_whole_says_how_many_instances_are_not_in_its_list_and_is_read_again_until_all_have_ended(
    get: Get, dags: DagRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "MOST_INSTANCES", 2)
    run = dags.run("""
        CloneBackendOperator.partial(
            task_id="clone", app_id=APP, backend_environment_name="staging", waiter_delay=0.1,
        ).expand(target_environment_name=["one", "two", "three"])
    """)
    answer = tab(get, run)
    assert "3 success" in text_of(answer)
    assert "and 1 more" in text_of(answer)
    assert '<meta http-equiv="refresh"' not in answer.text
    clear(run, "success", "success", "deferred")  # the last one is not in the list
    answer = tab(get, run)
    assert "2 success, 1 deferred" in text_of(answer)
    assert '<meta http-equiv="refresh"' in answer.text


def test_a_retry_shows_the_job_that_it_has_adopted(get: Get, dags: DagRunner, service: LocalAmplifyBackend) -> None:
    service.control.add_fault("CloneBackend", kind="reset_after")
    shown = text_of(tab(get, dags.run(CLONE.format(options="deferrable=False"))))
    assert "COMPLETED after" in shown
    assert "started by this task" in shown or "adopted" in shown


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_sensor_shows_what_it_waited_for(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.set(job_seconds=3600)
    job_id = service.client().clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName="copy")[
        "JobId"
    ]
    run = dags.run(
        f'BackendJobSensor(task_id="wait", app_id=APP, backend_environment_name="copy", job_id="{job_id}", '
        f"timeout=0.5, poke_interval=0.1, deferrable={deferrable})"
    )
    shown = text_of(tab(get, run, "wait"))
    assert job_id in shown
    assert "Timed out after" in shown


@pytest.mark.parametrize(
    "body",
    [
        '@task(task_id="clone")\ndef other() -> dict:\n    return {"JobId": 5, "outcome": ["x"]}\nother()',
        '@task(task_id="clone")\ndef other() -> dict:\n    return {"JobId": "j-1", "outcome": "started"}\nother()',
        '@task(task_id="clone", multiple_outputs=True)\ndef other() -> dict:\n    return {"JobId": "j-1"}\nother()',
        "from airflow.providers.amazon.aws.sensors.batch import BatchSensor\n"
        "class Other(BatchSensor):\n    def poke(self, context): return True\n"
        'Other(task_id="clone", job_id="j-1")',
    ],
)
def test_a_task_of_somebody_else_has_one_line(get: Get, dags: DagRunner, body: str) -> None:
    assert "This task has left nothing about a job" in text_of(tab(get, dags.run(body)))


def test_what_a_task_of_somebody_else_has_returned_is_not_read(get: Get, dags: DagRunner) -> None:
    run = dags.run('@task(task_id="clone")\ndef other() -> dict:\n    return {"JobId": "j-1"}\nother()')
    left = left_by(TaskKey(run.dag_id, run.run_id, "clone", -1))
    assert left is not None
    assert (left[1], left[3]) == ({}, [])


@pytest.mark.parametrize("index", ["9" * 30, "9" * 5000, "2147483648", "-2", "1.5", "٣", "", "{MAP_INDEX}", "\0"])
def test_an_index_that_is_none_is_that_of_the_task_as_a_whole(get: Get, index: str) -> None:
    answer = get(f"/job/a_dag?run_id=a_run&task_id=a_task&map_index={quote(index)}")
    assert answer.status_code == 200
    assert "There is no such task instance." in text_of(answer)


def test_an_address_can_hold_what_postgresql_takes_in_no_query() -> None:
    assert TaskKey.of("d", "a\0run", "a\0task", "7") == TaskKey("d", "a\ufffdrun", "a\ufffdtask", 7)


@pytest.mark.parametrize(
    "text", ['"\\ud800"', "NaN", "-Infinity", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "1" + "0" * 400]
)
def test_whatever_a_database_has_for_an_xcom_can_be_shown(text: str) -> None:
    xcoms = {WAIT_KEY: waiting() | {"what": stored_value(text), "usual_seconds": stored_value(text)}}
    assert shown_as("deferred", xcoms).encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e17, 10**400, -(10**17)])
def test_a_time_that_is_beyond_all_dates_is_none(number: float) -> None:
    note = waiting() | dict.fromkeys(("started", "deadline", "created", "usual_seconds"), number)
    shown = words(shown_as("deferred", {WAIT_KEY: note}))
    assert "since an unknown time" in shown
    assert "Waits until" not in shown


def test_a_task_instance_that_does_not_exist_has_one_line(get: Get, dags: DagRunner) -> None:
    run = dags.run(CLONE.format(options=""))
    assert "There is no such task instance." in text_of(tab(get, run, "nothing"))


def test_the_page_of_a_run_with_odd_ids_is_asked_for_as_airflow_writes_them(get: Get) -> None:
    answer = get("/job/a.dag-1?run_id=..%2F..%2F%3Cscript%3E%2B&task_id=a%26b&map_index={MAP_INDEX}")
    assert answer.status_code == 200
    assert "<script>+" not in answer.text


def clear(run: Finished, *states: str | None) -> None:
    """Clear the tasks of a run as Airflow does, and let them come as far as a state before they begin."""
    from airflow.models.taskinstance import TaskInstance, clear_task_instances
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(TaskInstance).where(TaskInstance.dag_id == run.dag_id).order_by(TaskInstance.map_index)
        tis = list(session.scalars(query))
        clear_task_instances(tis, session)
        for ti, state in zip(tis, states, strict=True):
            ti.state = state


BEFORE_A_TRY = [(None, "Not started"), ("scheduled", "Scheduled"), ("queued", "Queued")]


@pytest.mark.parametrize(("state", "word"), BEFORE_A_TRY)
def test_what_a_cleared_task_has_left_is_that_of_its_last_try(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, state: str | None, word: str
) -> None:
    service.control.add_fault("CloneBackend", kind="job_fails", error="Resource limit exceeded")
    run = dags.run(CLONE.format(options=""))
    clear(run, state)
    answer = tab(get, run)
    now, _, before = text_of(answer).partition("The last try")
    assert f"{word}: CloneBackend, environment copy" in now
    assert "Airflow starts the task by itself" in now
    assert "A job that still runs is adopted, not started twice." in now
    assert "clear the task" not in now
    assert "failed" not in now.lower()
    assert "Resource limit exceeded" in before
    assert '<meta http-equiv="refresh"' in answer.text


@pytest.mark.parametrize(("state", "word"), BEFORE_A_TRY)
def test_the_job_of_a_success_that_was_cleared_is_that_of_the_last_try(
    get: Get, dags: DagRunner, state: str | None, word: str
) -> None:
    run = dags.run(CLONE.format(options=""))
    clear(run, state)
    now, _, before = text_of(tab(get, run)).partition("The last try")
    assert f"{word}: CloneBackend, environment copy" in now
    assert "Its last try succeeded; this one does it again." in now
    assert "started by this task" not in now
    assert "started by this task" in before
    assert "COMPLETED" in before
    assert run.xcom("clone")["JobId"] in before


# ------------------------------------------------------------------------------------------------------- every state


def shown_as(state: str, xcoms: dict[str, Any], operator: str = "", is_resumed: bool = False, **more: Any) -> str:
    task = TaskState(state=state, operator=operator, try_number=1, is_resumed=is_resumed)
    return page(facts_of(task, xcoms, **more), NOW)


def words(text: str) -> str:
    class Text(HTMLParser):
        found = ""

        def handle_data(self, data: str) -> None:
            self.found += data + " "

    parser = Text()
    parser.feed(re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL))
    return parser.found


def waiting(**more: Any) -> dict[str, Any]:
    return wait_note(REF, started=NOW - 100, deadline=NOW + 3500, outcome="adopted", **more)


def test_a_running_job_is_compared_with_what_is_usual() -> None:
    noted = waiting(durations=[60.0, 61.0, 59.0], created_ms=int((NOW - 300) * 1000))
    shown = words(shown_as("deferred", {WAIT_KEY: noted}))
    assert "RUNNING for 5 min 0 s, longer than usual, which is 1 min 0 s: CloneBackend, environment copy" in shown
    assert "adopted: an earlier try of this task had started it" in shown


@pytest.mark.parametrize("state", ["failed", "up_for_retry", "queued"])
def test_a_job_that_has_failed_took_its_time_against_what_is_usual(state: str) -> None:
    noted = waiting(durations=[60.0, 61.0, 59.0], created_ms=int((NOW - 300) * 1000))
    shown = words(shown_as(state, {WAIT_KEY: noted, ERROR_KEY: ERROR | {"took_seconds": 12.4}}))
    assert re.search(r"Took\s+12 s; usually 1 min 0 s", shown)
    assert "Begun at" not in shown


def test_of_a_job_whose_end_is_not_known_the_tab_says_when_it_began() -> None:
    noted = waiting(durations=[60.0, 61.0, 59.0], created_ms=int(NOW * 1000))
    shown = words(shown_as("failed", {WAIT_KEY: noted}, operator="CloneBackendOperator"))
    assert re.search(r"Begun at\s+2027-01-15 08:00 UTC; usually 1 min 0 s", shown)
    assert "Took" not in shown
    assert "Begun at" not in words(shown_as("deferred", {WAIT_KEY: noted}))


def test_earlier_instances_of_the_task_tell_what_is_usual() -> None:
    done = {"Operation": "CloneBackend", "Status": "COMPLETED", "CreateTime": "1000", "UpdateTime": "91000"}
    failed = done | {"Status": "FAILED", "UpdateTime": "2000"}
    shown = words(shown_as("deferred", {WAIT_KEY: waiting()}, earlier=[done, failed, None, "x", {}]))
    assert "usually 1 min 30 s" in shown


def test_while_another_job_holds_the_environment_the_tab_says_whose_end_is_awaited() -> None:
    other = wait_note(JobRef(APP, "j-0", ("copy",), "UpdateBackendAPI"), started=NOW - 5, deadline=NOW + 5)
    shown = words(shown_as("deferred", {OTHER_KEY: other}))
    assert "Waiting for another job to end" in shown
    assert "job j-0 (UpdateBackendAPI" in shown
    assert "continues by itself when the other job has ended" in shown
    later = words(shown_as("deferred", {OTHER_KEY: other, WAIT_KEY: waiting()}))
    assert "Waiting for another job" not in later
    assert "job j-0 (UpdateBackendAPI" in later


def test_where_no_note_was_left_the_stored_start_says_which_job_it_is() -> None:
    stored = {
        "operation": "CloneBackend", "app_id": APP, "digest": "", "round": {"max_tries": 0, "clear_number": 0},
        "service_time_ms": 1, "job_id": "j-9", "job_environment": "copy",
    }  # fmt: skip
    shown = words(shown_as("running", {JOB_ID_KEY: "j-9"}, stored=stored))
    assert "CloneBackend, environment copy" in shown
    assert "j-9" in shown


@pytest.mark.parametrize(
    "state",
    ["", "scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "failed", "skipped",
     "upstream_failed", "success", "restarting"],
)  # fmt: skip
def test_every_state_has_a_tab(state: str) -> None:
    for xcoms in ({}, {WAIT_KEY: waiting()}, {JOB_ID_KEY: "j-1"}):
        assert "<title>Amplify job</title>" in shown_as(state, xcoms)


def test_the_error_of_an_earlier_try_is_not_that_of_a_success() -> None:
    error = {"version": 1, "type": "BackendJobFailedError", "text": "FAILED"}
    assert "BackendJobFailedError" not in shown_as("success", {ERROR_KEY: error, JOB_ID_KEY: "j"})


ERROR = {"version": 1, "type": "BackendJobFailedError", "text": "job j-1 has FAILED"}


@pytest.mark.parametrize("state", ["", "scheduled", "queued", "restarting", "upstream_failed", "removed"])
def test_before_a_try_nothing_of_the_last_one_is_told_as_of_now(state: str) -> None:
    now, _, before = words(shown_as(state, {WAIT_KEY: waiting(), ERROR_KEY: ERROR})).partition("The last try")
    assert "What next" in now
    assert "FAILED" not in now
    assert "above" not in now
    assert "job j-1 has FAILED" in before
    assert "adopted: an earlier try" in before


def test_a_task_that_is_queued_to_go_on_after_its_deferral_is_at_work() -> None:
    shown = words(shown_as("queued", {WAIT_KEY: waiting()}, is_resumed=True))
    assert "RUNNING for 1 min 40 s" in shown
    assert "The last try" not in shown


def test_a_task_that_airflow_tries_again_says_so_until_the_next_try_begins() -> None:
    xcoms = {WAIT_KEY: waiting(), ERROR_KEY: ERROR}
    assert "Failed, and Airflow tries again: CloneBackend" in words(shown_as("up_for_retry", xcoms))
    assert "Queued: CloneBackend" in words(shown_as("queued", xcoms))


def test_a_task_that_ended_from_outside_says_what_became_of_its_job_and_what_to_do() -> None:
    shown = words(shown_as("failed", {WAIT_KEY: waiting()}, operator="CloneBackendOperator"))
    assert "Failed: CloneBackend, environment copy" in shown
    assert "It ended from outside (marked as failed, its worker or its triggerer lost, a time-out of Airflow)" in shown
    assert "The job may still be running; AmplifyBackend cannot cancel jobs." in shown
    assert "To go on, clear the task. A job that still runs is adopted, not started twice." in shown
    assert f"To see the job: {REF.check_command}" in shown


def test_a_task_that_ended_from_outside_before_its_job_began_names_none() -> None:
    shown = words(shown_as("failed", {OTHER_KEY: waiting() | {"outcome": None}}, operator="CloneBackendOperator"))
    assert "A job that it has started may still be running" in shown
    assert "To go on, clear the task." in shown


def test_a_sensor_that_ended_from_outside_waits_again_and_adopts_nothing() -> None:
    shown = words(shown_as("failed", {WAIT_KEY: waiting() | {"outcome": None}}, operator="BackendJobSensor"))
    assert "To go on, clear the task. It then waits again." in shown
    assert "adopted" not in shown


READS = [("GetBackendOperator", "GetBackend"), ("ListBackendJobsOperator", "ListBackendJobs")]
LINK = {"amplify_console_link": "https://us-east-1.console.example/"}


@pytest.mark.parametrize(("operator", "operation"), [*READS, ("GetBackendJobOperator", "GetBackendJob")])
def test_a_task_that_only_reads_and_ended_from_outside_has_started_no_job(operator: str, operation: str) -> None:
    xcoms = LINK | ({JOB_ID_KEY: "j-1"} if operation == "GetBackendJob" else {})
    shown = words(shown_as("failed", xcoms, operator=operator))
    assert f"Failed: {operation}" in shown
    assert "It ended from outside" in shown
    assert "To go on, clear the task. It then runs again." in shown
    assert "may still be running" not in shown
    assert "adopted" not in shown


@pytest.mark.parametrize(("operator", "operation"), READS)
def test_a_task_that_only_reads_waits_for_nothing_while_it_runs(operator: str, operation: str) -> None:
    shown = words(shown_as("running", LINK, operator=operator))
    assert f"Running: {operation}" in shown
    assert "Nothing: the task ends by itself." in shown
    assert "aiting" not in shown
    assert "what it waits for" not in shown


@pytest.mark.parametrize("state", ["up_for_retry", "failed", "queued", "success"])
@pytest.mark.parametrize("operator", ["GetBackendJobOperator", "CreateTokenOperator", "BackendJobSensor"])
def test_nothing_is_said_of_a_job_that_the_task_would_have_started_where_it_starts_none(
    operator: str, state: str
) -> None:
    shown = words(shown_as(state, LINK | {ERROR_KEY: ERROR, JOB_ID_KEY: "j-1"}, operator=operator))
    assert "adopted" not in shown
    assert "not started twice" not in shown
    assert "may still be running" not in shown


def test_of_a_task_of_a_class_that_is_not_known_a_job_may_still_be_running() -> None:
    shown = words(shown_as("failed", LINK, operator="OurCloneOperator"))
    assert "A job that it has started may still be running" in shown


def test_a_success_without_a_result_may_have_been_marked_and_its_job_may_still_run() -> None:
    shown = words(shown_as("success", {WAIT_KEY: waiting()}))
    assert "if it was marked as successful while it waited, its job may still be running" in shown
    assert f"To see the job: {REF.check_command}" in shown


def left(status: str, **more: Any) -> dict[str, Any]:
    """What a task has left that did not wait for its job."""
    times = {"CreateTime": "1800000000000", "UpdateTime": "1800000000000"}
    job = {"AppId": APP, "JobId": "j-1", "Operation": "CloneBackend", "BackendEnvironmentName": "copy"}
    return LINK | {RESULT_KEY: job | times | {"Status": status, "outcome": "started"} | more}


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SOMETHING_NEW"])
def test_the_status_of_a_job_that_was_not_waited_for_is_that_of_the_tasks_end(status: str) -> None:
    shown = words(shown_as("success", left(status), operator="CloneBackendOperator"))
    assert f"{status} when the task ended: CloneBackend, environment copy" in shown
    assert f"and did not wait for the job: the status was {status} when the task ended, and may be another" in shown
    assert "Nothing:" not in shown
    assert f"To see the job: {REF.check_command}" in shown
    assert "after 0 s" not in shown
    assert "Took" not in shown
    assert re.search(r"Begun at\s+2027-01-15 08:00 UTC", shown)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_the_status_of_a_job_that_has_ended_is_final(status: str) -> None:
    shown = words(shown_as("success", left(status, UpdateTime="1800000012000"), operator="CloneBackendOperator"))
    assert f"{status} after 12 s: CloneBackend, environment copy" in shown
    assert "Nothing: the task has succeeded." in shown
    assert "To see the job" not in shown
    assert "Begun at" not in shown


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_that_does_not_wait_says_that_its_job_may_still_run(
    get: Get, dags: DagRunner, service: LocalAmplifyBackend, deferrable: bool
) -> None:
    service.control.set(job_seconds=3600)
    run = dags.run(CLONE.format(options=f"wait_for_completion=False, deferrable={deferrable}"))
    assert run.states == {"clone": "success"}
    shown = text_of(tab(get, run))
    assert re.search(r"(PENDING|RUNNING) when the task ended: CloneBackend, environment copy", shown), shown
    assert f"--job-id {run.xcom('clone')['JobId']}" in shown


@pytest.mark.parametrize("state", ["failed", "success", "up_for_retry"])
def test_the_command_has_a_placeholder_for_an_environment_that_is_not_known(state: str) -> None:
    result = left("RUNNING", Operation="RemoveAllBackends", BackendEnvironmentName=None)
    shown = words(shown_as(state, result | {JOB_ID_KEY: "j-1"}, operator="RemoveAllBackendsOperator"))
    assert "--backend-environment-name ENVIRONMENT --job-id j-1" in shown
    assert "''" not in shown


def test_while_another_job_is_waited_for_nothing_is_said_of_the_tasks_own() -> None:
    shown = words(shown_as("deferred", {OTHER_KEY: waiting() | {"outcome": None}, JOB_ID_KEY: "j-1"}))
    assert "Marking it as failed" not in shown


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(ATTACKS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    xcoms=st.dictionaries(st.sampled_from([*NOTE_KEYS, *OTHERS_KEYS]), JSON),
    state=st.sampled_from(["deferred", "failed", "success", "", "queued", "up_for_retry"]),
    stored=JSON,
)
def test_whatever_a_task_has_left_the_tab_is_shown(xcoms: dict[str, Any], state: str, stored: Any) -> None:
    assert "<title>Amplify job</title>" in shown_as(state, xcoms, stored=stored, earlier=list(xcoms.values()))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("state", ["deferred", "failed", "success", "queued"])
def test_whatever_a_task_has_left_is_text(attack: str, state: str) -> None:
    def xcoms(text: str) -> dict[str, Any]:
        job = {"AppId": text, "JobId": text, "Operation": text, "BackendEnvironmentName": text}
        note = waiting() | {"what": text, "outcome": text, "job": job}
        error = {"version": 1, "type": text, "reason": text, "text": f"{text}\n{text}", "service_text": text}
        result = job | {"Status": text, "outcome": text, "Error": text}
        links = {"amplify_console_link": text, "amplify_studio_link": f"https://us-east-1.example/{text}"}
        return {RESULT_KEY: result, WAIT_KEY: note, OTHER_KEY: note, ERROR_KEY: error, **links}

    made, plain = Page(shown_as(state, xcoms(attack))), Page(shown_as(state, xcoms("plain")))
    assert made.shape == plain.shape
    assert all(address.startswith("https://us-east-1.example/") for address in made.addresses)
