"""The trigger that waits for a job, on a real event loop against a real service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_amplifybackend._compat import stats
from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.requests import ServiceError
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.exceptions import BackendJobTimeoutError, BackendRequestError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from airflow_provider_amplifybackend.triggers import _base as triggers
from airflow_provider_amplifybackend.triggers import _events as events
from airflow_provider_amplifybackend.triggers import _poller as poller
from airflow_provider_amplifybackend.triggers.environment import BackendEnvironmentTrigger
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger
from tests.samples import APP

Run = Callable[[Coroutine[Any, Any, Any]], Any]
HOOK = {"aws_conn_id": "aws_default", "region_name": None, "verify": None, "config": None}


def seed_job(service: LocalAmplifyBackend, status: str = "RUNNING", **job: Any) -> JobRef:
    job = {"environment": "staging", "operation": "UpdateBackendAPI", "status": status, "job_id": "job-1"} | job
    service.control.seed_app(APP, jobs=[job])
    return JobRef(APP, job["job_id"], (job["environment"],), job["operation"])


def trigger_for(ref: JobRef, *, seconds: float = 30, **options: Any) -> BackendJobTrigger:
    # One attempt per request: the faults are for us, not for botocore.
    once = {"retries": {"total_max_attempts": 1}}
    defaults: dict[str, Any] = {"deadline": time.time() + seconds, "waiter_delay": 0.1, "botocore_config": once}
    return BackendJobTrigger.waiting_for(ref, **defaults | options)


async def event_of(trigger: Any) -> dict[str, Any]:
    yielded: list[dict[str, Any]] = [event.payload async for event in trigger.run()]
    assert len(yielded) == 1
    return yielded[0]


async def until(condition: Callable[[], Any]) -> None:
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.02)


# How a wait ends


def test_a_completed_job_is_reported_with_all_of_its_row(service: LocalAmplifyBackend, run: Run) -> None:
    event = run(event_of(trigger_for(seed_job(service, "RUNNING", seconds=0.1))))
    job = events.job_of_event(event)
    assert (job.job_id, job.status, job.operation) == ("job-1", "COMPLETED", "UpdateBackendAPI")
    assert job.create_time_ms
    assert job.update_time_ms


def test_a_failed_job_is_reported_without_its_error(service: LocalAmplifyBackend, run: Run) -> None:
    event = run(event_of(trigger_for(seed_job(service, "FAILED", error="CLI says no"))))
    job = events.job_of_event(event)
    assert (job.is_failed, job.error) == (True, None)
    assert "CLI says no" not in json.dumps(event)


def test_the_event_carries_what_the_task_must_know_on_resume(service: LocalAmplifyBackend, run: Run) -> None:
    trigger = trigger_for(seed_job(service, "COMPLETED"), started=12.5, outcome="adopted")
    event = run(event_of(trigger))
    assert (event["started"], event["deadline"], event["outcome"]) == (12.5, trigger.deadline, "adopted")


def test_a_stuck_job_is_given_up_at_the_deadline(service: LocalAmplifyBackend, run: Run) -> None:
    event = run(event_of(trigger_for(seed_job(service), seconds=0.3)))
    with pytest.raises(BackendJobTimeoutError, match=r"^Timed out.*last status: RUNNING.*job-1.*get-backend-job"):
        events.job_of_event(event)


def test_a_job_that_ended_before_a_deadline_that_has_passed_is_still_seen(
    service: LocalAmplifyBackend, run: Run
) -> None:
    """The triggerer was down meanwhile."""
    event = run(event_of(trigger_for(seed_job(service, "COMPLETED"), seconds=-3600)))
    assert events.job_of_event(event).is_completed


def test_a_deadline_that_has_passed_ends_the_wait_after_one_look(service: LocalAmplifyBackend, run: Run) -> None:
    event = run(event_of(trigger_for(seed_job(service), seconds=-3600, waiter_delay=3600)))
    assert event["kind"] == events.TIMEOUT
    assert len(service.control.journal("GetBackendJob")) == 1


def test_who_joins_after_its_deadline_does_not_wait_for_the_others_schedule(
    service: LocalAmplifyBackend, run: Run
) -> None:
    ref = seed_job(service)

    async def join_late() -> dict[str, Any]:
        patient = asyncio.create_task(event_of(trigger_for(ref, waiter_delay=3600, seconds=3600)))
        await until(lambda: service.control.journal("GetBackendJob"))
        late = await event_of(trigger_for(ref, waiter_delay=3600, seconds=-1))
        patient.cancel()
        await asyncio.gather(patient, return_exceptions=True)
        return late

    assert run(join_late())["kind"] == events.TIMEOUT


def test_a_service_that_hangs_does_not_outlast_the_deadline(
    service: LocalAmplifyBackend, run: Run, pace: Callable[..., None]
) -> None:
    pace(last_check=0.2)
    service.control.add_fault("GetBackendJob", kind="delay", seconds=3)
    event = run(event_of(trigger_for(seed_job(service, "COMPLETED"), seconds=0.1)))
    with pytest.raises(BackendJobTimeoutError, match="not observed"):
        events.job_of_event(event)


def test_an_unknown_status_keeps_waiting(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service, "BREWING", seconds=0.3)
    assert events.job_of_event(run(event_of(trigger_for(ref)))).is_completed


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle"},
        {"kind": "timeout_before"},
        {"kind": "reset_before"},
        {"kind": "truncate"},
        {"kind": "empty"},
        {"kind": "error", "status": 500},
        {"kind": "error", "status": 403, "code": "ExpiredTokenException"},
        {"kind": "error", "status": 403, "code": "InvalidSignatureException"},
        {"kind": "error", "status": 403, "code": "UnrecognizedClientException"},
        {"kind": "error", "status": 404, "code": "NotFoundException"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_trouble_on_the_way_does_not_end_the_wait(
    service: LocalAmplifyBackend, run: Run, fault: dict[str, Any]
) -> None:
    service.control.add_fault("GetBackendJob", times=2, **fault)
    event = run(event_of(trigger_for(seed_job(service, "COMPLETED"))))
    assert events.job_of_event(event).is_completed
    # aiohttp itself repeats a GET on a connection that breaks.
    assert len(service.control.journal("GetBackendJob")) >= 3


def test_trouble_that_never_ends_is_named_at_the_deadline(service: LocalAmplifyBackend, run: Run) -> None:
    service.control.add_fault("GetBackendJob", kind="throttle", message="Not now")
    event = run(event_of(trigger_for(seed_job(service), seconds=0.3)))
    with pytest.raises(
        BackendJobTimeoutError, match=r"last error: GetBackendJob: TooManyRequestsException: .*not shown"
    ):
        events.job_of_event(event)
    assert "Not now" not in json.dumps(event)


def test_no_access_ends_the_wait_without_the_services_words(service: LocalAmplifyBackend, run: Run) -> None:
    service.control.add_fault("GetBackendJob", kind="error", status=403, code="AccessDeniedException", message="No!")
    event = run(event_of(trigger_for(seed_job(service))))
    with pytest.raises(BackendRequestError, match=r"GetBackendJob: AccessDeniedException: .*not shown.*job-1"):
        events.job_of_event(event)
    assert "No!" not in json.dumps(event)


def test_a_job_that_was_seen_and_vanished_ends_the_wait(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service)

    async def vanish() -> dict[str, Any]:
        wait = asyncio.create_task(event_of(trigger_for(ref)))
        await until(lambda: service.control.journal("GetBackendJob"))
        await asyncio.to_thread(service.control.reset)
        return await wait

    with pytest.raises(BackendRequestError, match="NotFoundException"):
        events.job_of_event(run(vanish()))


@pytest.mark.parametrize("gone", ["NotFoundException", "ValidationException", "absent"])
def test_a_deleted_environment_may_take_its_job_with_it(service: LocalAmplifyBackend, run: Run, gone: str) -> None:
    service.control.set(deleted_environment_jobs="NotFoundException", gone_environment=gone)
    answer = service.client().delete_backend(AppId=APP, BackendEnvironmentName="staging")
    ref = JobRef(APP, answer["JobId"], ("staging",), "DeleteBackend")
    assert events.job_of_event(run(event_of(trigger_for(ref)))).is_completed


@pytest.mark.parametrize("environments", [(), ("staging",)])
def test_the_removal_of_all_environments_ends_when_there_are_none(
    service: LocalAmplifyBackend, run: Run, environments: tuple[str, ...]
) -> None:
    service.control.set(deleted_environment_jobs="NotFoundException")
    answer = service.client().remove_all_backends(AppId=APP)
    ref = JobRef(APP, answer["JobId"], environments, "RemoveAllBackends")
    assert events.job_of_event(run(event_of(trigger_for(ref)))).is_completed


# Connections


def test_a_wrong_connection_fails_alone(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service, seconds=0.3)

    async def side_by_side() -> list[dict[str, Any]]:
        waits = [trigger_for(ref), trigger_for(ref, aws_conn_id="nobody_knows_it", seconds=0.3), trigger_for(ref)]
        return await asyncio.gather(*map(event_of, waits))

    first, wrong, last = run(side_by_side())
    assert events.job_of_event(first).is_completed
    assert events.job_of_event(last).is_completed
    with pytest.raises(BackendJobTimeoutError, match=r"last error: .*'nobody_knows_it' does not exist"):
        events.job_of_event(wrong)


def test_a_job_that_cannot_be_asked_for_fails_alone(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service, seconds=0.3)

    async def side_by_side() -> list[dict[str, Any]]:
        return await asyncio.gather(*map(event_of, [trigger_for(ref), trigger_for(JobRef(APP, "", ("staging",)))]))

    right, wrong = run(side_by_side())
    assert events.job_of_event(right).is_completed
    with pytest.raises(BackendRequestError, match="JobId='' is missing a value"):
        events.job_of_event(wrong)


def test_configuration_that_botocore_does_not_know_is_said(service: LocalAmplifyBackend, run: Run) -> None:
    event = run(event_of(trigger_for(seed_job(service), botocore_config={"reed_timeout": 1}, seconds=0.2)))
    assert "reed_timeout" in str(event)


def test_no_region_is_said(service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", '{"conn_type": "aws", "login": "nobody", "password": "nothing-secret"}')
    event = run(event_of(trigger_for(seed_job(service), aws_conn_id="nowhere")))
    with pytest.raises(BackendRequestError, match="region_name"):
        events.job_of_event(event)


def test_no_credentials_are_said(service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.endpoint_url)
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", '{"conn_type": "aws", "extra": {"region_name": "us-east-1"}}')
    event = run(event_of(trigger_for(seed_job(service), aws_conn_id="empty", seconds=0.3)))
    with pytest.raises(BackendJobTimeoutError, match=r"NoCredentialsError.*aws_conn_id"):
        events.job_of_event(event)


# Sharing


def test_a_hundred_waiters_of_one_job_share_every_look(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service)

    async def look_together() -> list[Any]:
        async with AsyncExitStack() as stack:
            watches = []
            for _ in range(100):
                shared = await stack.enter_async_context(poller.shared_poller(**HOOK))
                watches.append(stack.enter_context(shared.watch(ref, waiter_delay=0.1, deadline=time.time() + 60)))
            assert len({id(waiter.watch) for waiter in watches}) == 1
            return await asyncio.gather(*(watch.news(time.time() + 60) for watch in watches))

    seen = run(look_together())
    assert [job.status for job in seen] == ["RUNNING"] * 100
    # A second look may have been under way when the last one left.
    assert len(service.control.journal("GetBackendJob")) <= 2


def test_one_client_serves_all_jobs_of_a_connection_until_the_last_leaves(
    service: LocalAmplifyBackend, run: Run
) -> None:
    refs = [seed_job(service, job_id=f"job-{number}") for number in range(5)]

    async def leave_one_by_one() -> None:
        waits = [asyncio.create_task(event_of(trigger_for(ref))) for ref in refs]
        await until(lambda: len({e["parameters"]["JobId"] for e in service.control.journal("GetBackendJob")}) == 5)
        [shared] = poller._pollers[asyncio.get_running_loop()].values()
        client = shared._client
        assert shared.users == 5
        for number, wait in enumerate(waits):
            await asyncio.to_thread(service.control.end_job, f"job-{number}")
            await wait
            assert shared._client is (client if number < 4 else None)

    run(leave_one_by_one())


def test_early_checks_that_find_nothing_are_spared_to_those_who_still_wait_for_theirs(
    service: LocalAmplifyBackend, run: Run, way: str
) -> None:
    if way == "slow":
        pytest.skip("through aiobotocore all that are due are under way at once")
    refs = [seed_job(service, job_id=f"job-{number}") for number in range(40)]

    async def wait_together() -> list[dict[str, Any]]:
        waits = (event_of(trigger_for(ref, waiter_delay=3600, seconds=1.5)) for ref in refs)
        return await asyncio.gather(*waits)

    ended = run(wait_together())
    assert {(event["kind"], event["last_status"]) for event in ended} == {(events.TIMEOUT, "RUNNING")}
    # One at the deadline for each, a dozen early ones, and those that were under way.
    assert len(refs) <= len(service.control.journal("GetBackendJob")) < len(refs) + 30


def test_waits_that_begin_together_load_the_modules_once_and_outlast_the_one_that_began_it(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggers, "_poller", None)
    loaded: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        return import_module(name)

    monkeypatch.setattr(triggers, "import_module", load)
    ref = seed_job(service, "COMPLETED")

    async def wait_together() -> list[dict[str, Any]]:
        first = asyncio.create_task(event_of(trigger_for(ref)))
        waits = [asyncio.create_task(event_of(trigger_for(ref))) for _ in range(20)]
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*waits)

    assert all(events.job_of_event(event).is_completed for event in run(wait_together()))
    assert 1 <= len(loaded) <= 2  # the second one only where the first was cancelled in the middle


def test_other_settings_are_another_client(service: LocalAmplifyBackend, run: Run) -> None:
    async def two_regions() -> None:
        async with poller.shared_poller(**HOOK) as one, poller.shared_poller(**HOOK) as same:
            async with poller.shared_poller(**HOOK | {"region_name": "eu-west-1"}) as other:
                assert one is same
                assert one is not other

    run(two_regions())


def test_an_expired_client_is_replaced_once_for_all(service: LocalAmplifyBackend, run: Run) -> None:
    refs = [seed_job(service, job_id=f"job-{number}") for number in range(10)]

    async def expire() -> list[dict[str, Any]]:
        waits = [asyncio.create_task(event_of(trigger_for(ref))) for ref in refs]
        await until(lambda: len({e["parameters"]["JobId"] for e in service.control.journal("GetBackendJob")}) == 10)
        [shared] = poller._pollers[asyncio.get_running_loop()].values()
        before = shared._client
        await asyncio.to_thread(
            service.control.add_fault, "GetBackendJob", kind="error", status=403, code="ExpiredToken", times=10
        )
        await until(lambda: service.control.faults()[0]["used"] == 10)
        for ref in refs:
            await asyncio.to_thread(service.control.end_job, ref.job_id)
        ended = await asyncio.gather(*waits)
        assert before is not shared._client
        return ended

    assert all(events.job_of_event(event).is_completed for event in run(expire()))


def test_a_429_slows_everybody_down_and_recovers(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service)
    once = {"retries": {"total_max_attempts": 1}}

    async def slow_down() -> tuple[float, float, float]:
        async with poller.shared_poller(**HOOK | {"config": once}) as shared:
            with shared.watch(ref, waiter_delay=0.01, deadline=time.time() + 60) as watch:
                await asyncio.to_thread(service.control.add_fault, "GetBackendJob", kind="throttle", times=2)
                for _ in range(2):
                    with pytest.raises(ServiceError):
                        await watch.news(time.time() + 60)
                slowest = shared.pace.rate
                await until(lambda: shared.pace.rate > slowest)
                return slowest, shared.pace.rate, shared.pace.most

    slowest, recovering, most = run(slow_down())
    assert slowest < recovering < most


def test_a_look_that_breaks_reaches_the_waiter(service: LocalAmplifyBackend, run: Run) -> None:
    """Whatever a look dies of, nobody waits for ever."""

    async def look_at_nonsense() -> None:
        async with poller.shared_poller(**HOOK) as shared:
            with shared.watch("nonsense", waiter_delay=0.1, deadline=time.time() + 60) as watch:  # type: ignore[arg-type]
                with pytest.raises(AttributeError):
                    await watch.news(time.time() + 60)

    run(look_at_nonsense())


@pytest.mark.parametrize("looks", [0, 1])
def test_a_cancelled_trigger_leaves_nothing_behind(service: LocalAmplifyBackend, run: Run, looks: int) -> None:
    """The `run` fixture checks for tasks, clients and pollers that are left."""
    ref = seed_job(service)

    async def cancel() -> None:
        wait = asyncio.create_task(event_of(trigger_for(ref)))
        await until(lambda: len(service.control.journal("GetBackendJob")) >= looks)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

    run(cancel())


def test_a_cancelled_trigger_does_not_disturb_those_who_share_its_looks(service: LocalAmplifyBackend, run: Run) -> None:
    ref = seed_job(service)

    async def cancel_one() -> dict[str, Any]:
        staying, leaving = (asyncio.create_task(event_of(trigger_for(ref))) for _ in range(2))
        await until(lambda: service.control.journal("GetBackendJob"))
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.to_thread(service.control.end_job, "job-1")
        return await staying

    assert events.job_of_event(run(cancel_one())).is_completed


# Serialization

FULL: dict[str, Any] = {
    "app_id": APP,
    "job_id": "job-1",
    "environments": ["pr1", "staging"],
    "operation": "CloneBackend",
    "durations": [221.5, 240.0],
    "deadline": 1_800_000_000.25,
    "started": 1_700_000_000.5,
    "waiter_delay": 12.5,
    "outcome": "started",
    "aws_conn_id": "other",
    "region_name": "eu-west-1",
    "verify": False,
    "botocore_config": {"read_timeout": 7, "retries": {"max_attempts": 3}},
    "connection_found": True,
    "silent_fail": False,
}


def through_the_database(trigger: Any) -> Any:
    """As Airflow does it: encrypted keyword arguments, and a class path."""
    from pydoc import locate

    from airflow.models.trigger import Trigger

    classpath, kwargs = trigger.serialize()
    stored = Trigger(classpath=classpath, kwargs=kwargs)
    rebuild: Any = locate(stored.classpath)
    return rebuild(**Trigger._decrypt_kwargs(stored.encrypted_kwargs))


def test_a_trigger_survives_the_database() -> None:
    restored = through_the_database(BackendJobTrigger(**FULL))
    assert type(restored) is BackendJobTrigger
    assert restored.serialize() == BackendJobTrigger(**FULL).serialize()
    assert restored.serialize()[1] == FULL
    assert restored.awaited == JobRef(APP, "job-1", ("pr1", "staging"), "CloneBackend")


def test_the_class_path_of_the_trigger_is_a_promise() -> None:
    """It is stored with every waiting task: an upgrade must find it."""
    assert BackendJobTrigger(**FULL).serialize()[0] == "airflow_provider_amplifybackend.triggers.job.BackendJobTrigger"


def test_the_first_form_of_the_trigger_is_still_read() -> None:
    """What 0.1 stores, and no more than it must."""
    needed = {name: FULL[name] for name in ("app_id", "job_id", "environments", "deadline")}
    trigger = BackendJobTrigger(**needed)
    assert trigger.deadline == FULL["deadline"]
    assert (trigger.connection_found, trigger.silent_fail) == (None, False)


def test_a_trigger_that_was_stored_before_it_knew_of_the_connection_is_still_read() -> None:
    stored = {name: value for name, value in FULL.items() if name not in ("connection_found", "silent_fail")}
    restored = BackendJobTrigger(**stored)
    assert restored.serialize()[1] == stored | {"connection_found": None, "silent_fail": False}


def test_a_trigger_that_knows_its_try_says_it_in_its_event(service: LocalAmplifyBackend, run: Run) -> None:
    restored = through_the_database(trigger_for(seed_job(service, "COMPLETED"), try_number=2))
    assert run(event_of(restored))["try_number"] == 2


def test_a_moved_trigger_keeps_its_deadline_and_its_start(service: LocalAmplifyBackend, run: Run) -> None:
    trigger = trigger_for(seed_job(service), seconds=0.3, started=time.time() - 100)
    event = run(event_of(through_the_database(trigger)))
    assert event["deadline"] == trigger.deadline
    assert event["waited"] > 100


def test_the_event_survives_json(service: LocalAmplifyBackend, run: Run) -> None:
    import json

    event = run(event_of(trigger_for(seed_job(service, "COMPLETED"))))
    assert events.job_of_event(json.loads(json.dumps(event))) == events.job_of_event(event)


# Environments


@pytest.mark.parametrize(("condition", "environment"), [("exists", "staging"), ("gone", "pr1"), ("idle", "staging")])
def test_an_environment_is_waited_for(service: LocalAmplifyBackend, run: Run, condition: str, environment: str) -> None:
    awaited = EnvironmentCondition(APP, environment, Condition(condition))
    trigger = BackendEnvironmentTrigger.waiting_for(awaited, deadline=time.time() + 30, waiter_delay=0.1)
    assert through_the_database(trigger).serialize() == trigger.serialize()
    assert events.check_event(run(event_of(trigger)), awaited)


# Statistics


@pytest.fixture
def gauged(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What Airflow's statistics are given as the number of waiting tasks, one after another."""
    given: list[float] = []

    def gauge(name: str, value: float, *_: Any, **__: Any) -> None:
        assert name == "amplifybackend.waiting"
        given.append(value)

    monkeypatch.setattr(stats(), "gauge", gauge, raising=False)
    return given


def test_the_gauge_of_waiting_tasks_counts_those_of_all_connections(
    service: LocalAmplifyBackend, run: Run, monkeypatch: pytest.MonkeyPatch, gauged: list[float]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection_json(service.endpoint_url))
    ref = seed_job(service)

    async def wait(conn_id: str, begun: asyncio.Event, may_go: asyncio.Event) -> None:
        async with poller.shared_poller(**HOOK | {"aws_conn_id": conn_id}) as shared:
            with shared.watch(ref, waiter_delay=60, deadline=time.time() + 60):
                begun.set()
                await may_go.wait()

    async def wait_on_two_connections() -> None:
        waiting = []
        for conn_id in ("aws_default", "aws_default", "aws_default", "other"):
            begun, may_go = asyncio.Event(), asyncio.Event()
            waiting.append((asyncio.create_task(wait(conn_id, begun, may_go)), may_go))
            await begun.wait()
        assert gauged == [1, 2, 3, 4]
        for task, may_go in reversed(waiting):  # the poller of the other connection is closed first
            may_go.set()
            await task

    run(wait_on_two_connections())
    assert gauged == [1, 2, 3, 4, 3, 2, 1, 0]


def test_who_waited_in_a_loop_that_was_stopped_is_counted_no_longer(
    service: LocalAmplifyBackend, gauged: list[float]
) -> None:
    ref = seed_job(service)

    async def wait_until_the_loop_is_stopped() -> None:
        waiting = [asyncio.create_task(event_of(trigger_for(ref, waiter_delay=60, seconds=60))) for _ in range(3)]
        await until(lambda: gauged[-1:] == [3])
        assert not any(task.done() for task in waiting)

    for _ in range(2):
        asyncio.run(wait_until_the_loop_is_stopped())
        assert gauged[-1] == 0
    assert gauged == [1, 2, 3, 2, 1, 0] * 2
