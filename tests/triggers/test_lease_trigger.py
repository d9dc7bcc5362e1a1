"""The trigger that waits for room: what it stores, and how each wait ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.triggers.lease import LeaseTurnTrigger
from tests.samples import APP

ARN = f"arn:aws:amplify:us-east-1:123456789012:apps/{APP}"
# As version 0.1 stores it: what an older worker has deferred, a newer triggerer must take.
GOLDEN: tuple[str, dict[str, Any]] = (
    "airflow_provider_amplifybackend.triggers.lease.LeaseTurnTrigger",
    {
        "app_id": APP,
        "backend_environment_name": "previabcde",
        "group": "04e64047",
        "since": "2026-11-28T12:00:00+00:00",
        "limit": 2,
        "waits": True,
        "lag": 5.0,
        "interval": 30.0,
        "started": 1.0,
        "deadline": 2.0,
        "aws_conn_id": "aws_default",
        "region_name": None,
        "verify": None,
        "botocore_config": None,
        "connection_found": True,
    },
)


@pytest.fixture(autouse=True)
def hurry(service: LocalAmplifyBackend) -> Iterator[None]:
    with timing.replaced(earliest_event=0.0):
        yield


def lease(name: str, *, ago: float, state: LeaseState = LeaseState.WAITING) -> Lease:
    since = (datetime.now(UTC) - timedelta(seconds=ago)).replace(microsecond=0)
    return Lease.of(Holder("dag", name, "g"), name, state=state, since=since, until=since + timedelta(hours=9))


def set_tags(service: LocalAmplifyBackend, *leases: Lease) -> None:
    service.client("amplify").tag_resource(resourceArn=ARN, tags={one.key: one.value for one in leases})


def trigger_of(own: Lease, **changes: Any) -> LeaseTurnTrigger:
    arguments = GOLDEN[1] | {
        "backend_environment_name": own.environment,
        "group": own.group,
        "since": own.since.isoformat(),
        "limit": 1,
        "lag": 0.5,
        "interval": 0.1,
        "started": time.time(),
    }
    return LeaseTurnTrigger(**arguments | changes)


async def first_event(trigger: LeaseTurnTrigger) -> dict[str, Any]:
    found: list[dict[str, Any]] = [event.payload async for event in trigger.run()]
    assert len(found) == 1
    return found[0]


def event_of(own: Lease, *, seconds: float = 60, **changes: Any) -> dict[str, Any]:
    return asyncio.run(first_event(trigger_of(own, **{"deadline": time.time() + seconds} | changes)))


def test_it_is_stored_as_it_always_was() -> None:
    assert LeaseTurnTrigger(**GOLDEN[1]).serialize() == GOLDEN
    with_try = GOLDEN[1] | {"try_number": 2}
    assert LeaseTurnTrigger(**with_try).serialize() == (GOLDEN[0], with_try)


def test_it_ends_when_there_is_room(service: LocalAmplifyBackend) -> None:
    own = lease("own", ago=100)
    set_tags(service, own, lease("newer", ago=50))
    event = event_of(own)
    assert (event["kind"], event["ahead"], event["since"]) == ("free", [], own.since.isoformat())
    assert event["version"] == 1
    assert event["connection_found"] is True


def test_it_ends_at_its_deadline_and_says_who_is_ahead(service: LocalAmplifyBackend) -> None:
    own = lease("own", ago=100)
    set_tags(service, own, lease("held", ago=50, state=LeaseState.HELD))
    event = event_of(own, seconds=1)
    assert (event["kind"], event["ahead"], event["last_error"]) == ("timeout", ["held"], None)


def test_it_ends_at_once_if_nobody_wants_to_wait(service: LocalAmplifyBackend) -> None:
    own = lease("own", ago=100)
    set_tags(service, own, lease("kept", ago=50, state=LeaseState.KEPT))
    assert event_of(own, waits=False)["kind"] == "full"


def test_it_ends_if_its_ticket_is_gone(service: LocalAmplifyBackend) -> None:
    assert event_of(lease("own", ago=100))["kind"] == "lost"


def test_what_cannot_be_read_is_read_again(service: LocalAmplifyBackend) -> None:
    own = lease("own", ago=100)
    set_tags(service, own)
    service.control.add_fault("ListTagsForResource", kind="denied", times=2)
    assert event_of(own)["kind"] == "free"


def test_what_cannot_be_read_until_the_deadline_is_said(service: LocalAmplifyBackend) -> None:
    service.control.add_fault("ListTagsForResource", kind="denied")
    event = event_of(lease("own", ago=100), seconds=1)
    assert event["kind"] == "timeout"
    assert "cannot be read" in event["last_error"]


def test_all_who_wait_in_an_app_read_its_tags_together(service: LocalAmplifyBackend) -> None:
    leases = [lease(f"e{number:02}", ago=100 + number) for number in range(30)]
    set_tags(service, lease("held", ago=500, state=LeaseState.HELD), *leases)

    async def wait(seconds: float) -> list[dict[str, Any]]:
        ends = time.time() + seconds
        waits = [first_event(trigger_of(own, interval=1, deadline=ends)) for own in leases]
        return await asyncio.gather(*waits)

    events = asyncio.run(wait(4))
    assert {event["kind"] for event in events} == {"timeout"}
    assert sorted(len(event["ahead"]) for event in events) == list(range(1, 31))
    # Each of the thirty would have read four or five times.
    assert len(service.control.journal("ListTagsForResource")) <= 30


def test_whoever_comes_first_goes_on_beside_those_who_wait(service: LocalAmplifyBackend) -> None:
    first, second = lease("first", ago=100), lease("second", ago=90)
    set_tags(service, first, second)

    async def wait() -> list[dict[str, Any]]:
        ends = time.time() + 2
        return await asyncio.gather(
            *(first_event(trigger_of(own, interval=0.5, deadline=ends)) for own in (first, second))
        )

    assert [event["kind"] for event in asyncio.run(wait())] == ["free", "timeout"]
