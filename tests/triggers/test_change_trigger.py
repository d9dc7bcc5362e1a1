"""The trigger for asset watchers: each job that ends is one event, however many watch and whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.triggers.change import BackendChangeTrigger
from tests.airflow_versions import AIRFLOW
from tests.samples import APP
from tests.triggers.watching import Database, Triggerer, until

Run = Callable[[Coroutine[Any, Any, Any]], Any]
pytestmark = pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2 has no asset watchers")
needs_streams = pytest.mark.skipif(AIRFLOW < (3, 3), reason="shared streams and stores of assets came with Airflow 3.3")


@pytest.fixture(autouse=True)
def way(service: LocalAmplifyBackend) -> str:
    """One way only: there is no list of jobs but through the client. The service's jobs end when a test says so."""
    service.control.set(job_seconds=3600)
    return "slow"


def trigger_for(environment: str = "staging", **options: Any) -> BackendChangeTrigger:
    # One attempt per request: the faults are for us, not for botocore.
    once = {"retries": {"total_max_attempts": 1}}
    given: dict[str, Any] = {"waiter_delay": 0.1, "botocore_config": once} | options
    return BackendChangeTrigger(app_id=APP, backend_environment_name=environment, **given)


def seed_job(service: LocalAmplifyBackend, job_id: str, status: str = "COMPLETED", **job: Any) -> None:
    # It ends a little later than now: a watermark begins some seconds before its list, because clocks differ.
    row = {"environment": "staging", "operation": "UpdateBackendAPI", "age_seconds": -5}
    service.control.seed_app(APP, jobs=[{**row, "status": status, "job_id": job_id, **job}])


def lists(service: LocalAmplifyBackend) -> int:
    return len(service.control.journal("ListBackendJobs"))


async def begun(database: Database, asset: str = "asset", watchers: int = 1) -> None:
    """Wait until watching has begun, and is stored."""
    await until(lambda: asset in database.stores and len(database.stores[asset].content) >= watchers)


# What is an event


@needs_streams
def test_a_job_that_ends_is_an_event_with_its_facts_and_without_its_error(
    service: LocalAmplifyBackend, run: Run
) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
            seed_job(service, "job-1", "FAILED", error="CLI says hush")
            await until(lambda: database.events)

    run(watch())
    ((asset, event),) = database.events
    assert asset == "asset"
    assert {name: event[name] for name in ("app_id", "backend_environment_name", "job_id", "operation", "status")} == {
        "app_id": APP,
        "backend_environment_name": "staging",
        "job_id": "job-1",
        "operation": "UpdateBackendAPI",
        "status": "FAILED",
    }
    assert event["created_at"].endswith("+00:00")
    assert "hush" not in json.dumps(database.events) + json.dumps([store.content for store in database.stores.values()])


@needs_streams
def test_what_had_ended_before_is_no_event_and_what_was_running_is(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()
    seed_job(service, "before", age_seconds=60)
    seed_job(service, "running", "RUNNING", age_seconds=60)

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
            service.control.end_job("running")
            await until(lambda: database.events)

    run(watch())
    assert database.jobs() == ["running"]


@needs_streams
def test_only_what_is_asked_for_is_an_event(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(operations=["CloneBackend"]), "clones")
            triggerer.watch(trigger_for(statuses=["FAILED"]), "failures")
            triggerer.watch(trigger_for(), "all")
            for asset in ("clones", "failures", "all"):
                await begun(database, asset)
            seed_job(service, "clone", operation="CloneBackend")
            seed_job(service, "failure", "FAILED")
            seed_job(service, "other")
            await until(lambda: len(database.of("all")) == 3 and database.of("clones") and database.of("failures"))

    run(watch())
    assert [event["job_id"] for event in database.of("clones")] == ["clone"]
    assert [event["job_id"] for event in database.of("failures")] == ["failure"]


@needs_streams
@pytest.mark.parametrize("jobs", ["readable", "NotFoundException"])
def test_the_end_of_an_environment_is_an_event_also_if_its_jobs_are_forgotten_with_it(
    service: LocalAmplifyBackend, run: Run, jobs: str
) -> None:
    database = Database()
    service.control.set(deleted_environment_jobs=jobs)
    service.control.seed_app(APP, "copy")

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for("copy"), "asset")
            await begun(database)
            started = service.client().delete_backend(AppId=APP, BackendEnvironmentName="copy")
            before = lists(service)
            await until(lambda: lists(service) > before + 1)
            service.control.end_job(started["JobId"])
            await until(lambda: database.events)

    run(watch())
    ((_, event),) = database.events
    assert (event["operation"], event["status"]) == ("DeleteBackend", "COMPLETED")


# How many watch


@needs_streams
def test_fifty_triggers_of_an_environment_ask_once(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()
    operations = ["CloneBackend", "UpdateBackendAPI", "UpdateBackendAuth", "CreateBackendAPI", "DeleteBackendAPI"]

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            for number in range(50):
                wanted = [operation for bit, operation in enumerate(operations) if number + 1 >> bit & 1]
                triggerer.watch(trigger_for(waiter_delay=3600, operations=wanted or None), f"asset-{number}")
            for number in range(50):
                await begun(database, f"asset-{number}")

    run(watch())
    assert lists(service) == 1


def test_fifty_triggers_ask_once_also_where_airflow_shares_no_stream(service: LocalAmplifyBackend, run: Run) -> None:
    """Airflow before 3.3 runs each trigger for itself."""
    triggers = [
        trigger_for(waiter_delay=3600, statuses=["FAILED", "COMPLETED"][: number % 2 + 1]) for number in range(50)
    ]

    async def consume(trigger: BackendChangeTrigger) -> None:
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            async for _ in events:
                raise AssertionError("nothing has ended")

    async def watch() -> None:
        tasks = [asyncio.create_task(consume(trigger)) for trigger in triggers]
        await until(lambda: all(trigger._known for trigger in triggers))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(watch())
    assert lists(service) == 1


def test_a_trigger_that_airflow_runs_for_itself_reports_each_end_once(service: LocalAmplifyBackend, run: Run) -> None:
    trigger = trigger_for()

    async def watch() -> list[str]:
        seen: list[str] = []
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            first = asyncio.ensure_future(anext(events))
            await until(lambda: trigger._known)
            seed_job(service, "one")
            seen.append((await first).payload["job_id"])
            seed_job(service, "two")
            seen.append((await anext(events)).payload["job_id"])
        return seen

    assert run(watch()) == ["one", "two"]


@needs_streams
def test_an_asset_that_comes_later_gets_what_ends_from_then_on(service: LocalAmplifyBackend, run: Run) -> None:
    """Airflow makes the trigger anew for its assets, and each has a store of its own."""
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "one")
            await begun(database, "one")
            seed_job(service, "first")
            await until(lambda: "first" in "".join(database.stores["one"].content.values()))
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "one", "two")
            seed_job(service, "second")
            await until(lambda: "second" in "".join(database.stores["two"].content.values()))

    run(watch())
    assert [event["job_id"] for event in database.of("one")] == ["first", "second"]
    assert [event["job_id"] for event in database.of("two")] == ["second"]


# Who dies


@needs_streams
def test_what_ends_while_no_triggerer_runs_is_an_event_of_the_next_one(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()
    seed_job(service, "running", "RUNNING", age_seconds=60)

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
        service.control.end_job("running")
        seed_job(service, "meanwhile")
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await until(lambda: len(database.events) == 2)
            before = lists(service)
            await until(lambda: lists(service) > before + 2)

    run(watch())
    assert sorted(database.jobs()) == ["meanwhile", "running"]


@needs_streams
def test_an_event_that_fired_and_was_not_stored_fires_again(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
        async with Triggerer(database, stores=False, confirms=False) as dying:
            dying.watch(trigger_for(), "asset")
            seed_job(service, "job-1")
            await until(lambda: dying.fired)
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await until(lambda: database.events)

    run(watch())
    assert database.jobs() == ["job-1"]


@needs_streams
def test_an_event_that_was_stored_does_not_fire_again(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
            seed_job(service, "job-1")
            await until(lambda: "job-1" in "".join(database.stores["asset"].content.values()))
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            before = lists(service)
            await until(lambda: lists(service) > before + 2)

    run(watch())
    assert database.jobs() == ["job-1"]


@needs_streams
def test_while_a_store_cannot_be_reached_nothing_is_lost_or_reported_twice(
    service: LocalAmplifyBackend, run: Run
) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
            store = database.stores["asset"]
            store.is_broken = True
            seed_job(service, "written-later")
            await until(lambda: database.events)
            store.is_broken = False
            await until(lambda: "written-later" in "".join(store.content.values()))
        store.is_broken = True
        seed_job(service, "read-later")
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            before = lists(service)
            await until(lambda: lists(service) > before + 2)
            store.is_broken = False
            await until(lambda: len(database.events) == 2)

    run(watch())
    assert database.jobs() == ["written-later", "read-later"]


# What goes wrong


@needs_streams
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle"},
        {"kind": "reset_before"},
        {"kind": "truncate"},
        {"kind": "error", "status": 500},
        {"kind": "error", "status": 403, "code": "ExpiredTokenException"},
        {"kind": "error", "status": 403, "code": "AccessDeniedException"},
    ],
    ids=lambda fault: str(fault.get("code") or fault.get("status") or fault["kind"]),
)
def test_no_error_ends_the_watch(service: LocalAmplifyBackend, run: Run, fault: dict[str, Any]) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(), "asset")
            await begun(database)
            service.control.add_fault("ListBackendJobs", times=2, **fault)
            seed_job(service, "job-1")
            await until(lambda: database.events)

    run(watch())
    assert database.jobs() == ["job-1"]


@needs_streams
def test_an_environment_that_does_not_exist_yet_can_be_watched(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for("copy"), "asset")
            await begun(database)
            service.client().clone_backend(AppId=APP, BackendEnvironmentName="staging", TargetEnvironmentName="copy")
            (job,) = service.control.jobs()
            service.control.advance(5)
            service.control.end_job(job["JobId"])
            seed_job(service, "job-1", environment="copy")
            await until(lambda: "job-1" in database.jobs())

    run(watch())


# Its parameters


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"environment": "a/b"}, "backend_environment_name"),
        ({"operations": ["Clone"]}, "'Clone' is none of"),
        ({"statuses": ["DONE"]}, "'DONE' is none of COMPLETED, FAILED"),
        ({"waiter_delay": 0}, "waiter_delay"),
        ({"aws_conn_id": "aws://key:hush@"}, "its value is not shown"),
        ({"botocore_config": {"proxies": {"https": "http://user:hush@proxy"}}}, "password of an address"),
        ({"botocore_config": {"read_timout": 5}}, r"botocore_config\.read_timout .* did you mean read_timeout\?"),
        ({"botocore_config": {"retries": {"max_attempts": -1}}}, "must be a number, 0 or more"),
        ({"botocore_config": {"read_timeout": object()}}, "botocore_config.read_timeout is a object"),
        ({"verify": Path("/ca.pem")}, "verify=.* must be true, false or the path of a CA bundle, as a string"),
        ({"verify": 3}, "verify=3 must be"),
        ({"operations": []}, "operations is empty"),
        ({"statuses": ()}, "statuses is empty"),
        ({"operations": "CloneBackend"}, "operations='CloneBackend' must be a list"),
        ({"statuses": 5}, "statuses=5 must be a list"),
        ({"statuses": ["FAILED", {}]}, "<dict> is none of COMPLETED, FAILED"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_watched_is_refused_in_the_dag_file(options: dict[str, Any], words: str) -> None:
    """And with a TypeError in the triggerer, which dies of any other."""
    with pytest.raises(BackendParameterError, match=words) as refused:
        trigger_for(**options)
    assert isinstance(refused.value, TypeError)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ({"waiter_delay": timedelta(minutes=5)}, {"waiter_delay": 300.0}),
        ({"waiter_delay": "90"}, {"waiter_delay": 90.0}),
        ({"verify": "False"}, {"verify": False}),
        ({"verify": "/ca.pem"}, {"verify": "/ca.pem"}),
        ({"botocore_config": '{"read_timeout": 5}'}, {"botocore_config": {"read_timeout": 5.0}}),
        ({"botocore_config": {"client_cert": ("/c", "/k")}}, {"botocore_config": {"client_cert": ["/c", "/k"]}}),
        ({"operations": ("UpdateBackendAPI", "CloneBackend")}, {"operations": ["CloneBackend", "UpdateBackendAPI"]}),
        ({"statuses": {"FAILED"}}, {"statuses": ["FAILED"]}),
    ],
    ids=str,
)
def test_a_parameter_is_stored_as_it_is_meant_and_survives_being_stored(
    options: dict[str, Any], stored: dict[str, Any]
) -> None:
    """Airflow compares what the DAG file says with what is stored, and shares streams by it."""
    trigger = trigger_for(**options)
    _, arguments = trigger.serialize()
    assert {name: arguments[name] for name in stored} == stored
    rebuilt = BackendChangeTrigger(**json.loads(json.dumps(arguments)))
    assert rebuilt.serialize() == trigger.serialize()
    assert rebuilt.shared_stream_key() == trigger.shared_stream_key()


@needs_streams
def test_a_delay_of_a_timedelta_is_watched_with(service: LocalAmplifyBackend, run: Run) -> None:
    database = Database()

    async def watch() -> None:
        async with Triggerer(database) as triggerer:
            triggerer.watch(trigger_for(waiter_delay=timedelta(seconds=0.1)), "asset")
            await begun(database)
            seed_job(service, "job-1")
            await until(lambda: database.events)

    run(watch())
    assert database.jobs() == ["job-1"]


def test_its_serialized_form_is_a_wire_format() -> None:
    """A triggerer of another version may have stored it, and the key of what was reported is made of it."""
    trigger = BackendChangeTrigger(
        app_id="d1abc", backend_environment_name="staging", operations=["UpdateBackendAPI", "CloneBackend"]
    )
    assert trigger.serialize() == (
        "airflow_provider_amplifybackend.triggers.change.BackendChangeTrigger",
        {
            "app_id": "d1abc",
            "backend_environment_name": "staging",
            "waiter_delay": 60.0,
            "aws_conn_id": "aws_default",
            "region_name": None,
            "verify": None,
            "botocore_config": None,
            "operations": ["CloneBackend", "UpdateBackendAPI"],
            "statuses": None,
        },
    )
    assert trigger._key == "amplifybackend_changes_1365c23b8dcbca7b"


@needs_streams
def test_triggers_that_report_different_ends_of_one_asset_have_a_watermark_each() -> None:
    one, other = trigger_for(statuses=["FAILED"]), trigger_for(statuses=["COMPLETED"])
    assert one._key != other._key
    assert one.shared_stream_key() == other.shared_stream_key()
    assert one.shared_stream_key() != trigger_for("copy").shared_stream_key()


@needs_streams
def test_an_asset_watcher_takes_it_and_a_dag_is_stored_with_it() -> None:
    from airflow.sdk import DAG, AssetWatcher

    from airflow_provider_amplifybackend.assets import backend_asset
    from tests.airflow_versions import dag_serialization

    watcher = AssetWatcher(name="staging", trigger=trigger_for())
    with DAG("watching", schedule=[backend_asset(APP, "staging", watchers=[watcher])]) as dag:
        pass
    assert "BackendChangeTrigger" in json.dumps(dag_serialization().to_dict(dag))
