"""A trigger whose names are none says so at once: it waits nothing out, and takes nothing for gone."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.job import JobRef
from airflow_provider_amplifybackend.core.status_check import Condition, EnvironmentCondition
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.triggers import _events as events
from airflow_provider_amplifybackend.triggers.environment import BackendEnvironmentTrigger
from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger
from tests.name_cases import BAD
from tests.samples import APP
from tests.triggers.conftest import Run


def triggers_for(name: str) -> dict[str, Any]:
    """Every trigger with the name in every place, by the member that the error names."""
    patient: dict[str, Any] = {"deadline": time.time() + 600, "waiter_delay": 600}
    targets: list[tuple[str, JobRef | EnvironmentCondition]] = [
        ("AppId", JobRef(name, "job", ("staging",))),
        ("JobId", JobRef(APP, name, ("staging",))),
        ("BackendEnvironmentName", JobRef(APP, "job", (name,))),
        *(("AppId", EnvironmentCondition(name, "staging", condition)) for condition in Condition),
        *(("BackendEnvironmentName", EnvironmentCondition(APP, name, condition)) for condition in Condition),
    ]
    return {
        f"{member} {awaited!r}": BackendJobTrigger.waiting_for(awaited, **patient)
        if isinstance(awaited, JobRef)
        else BackendEnvironmentTrigger.waiting_for(awaited, **patient)
        for member, awaited in targets
    }


async def event_of(trigger: Any) -> dict[str, Any]:
    (event,) = [event async for event in trigger.run()]
    payload: dict[str, Any] = event.payload
    return payload


def test_a_bad_name_ends_the_wait_at_once(service: LocalAmplifyBackend, run: Run) -> None:
    async def all_events() -> list[tuple[str, str, dict[str, Any]]]:
        cases = [(name, place, trigger) for name in BAD for place, trigger in triggers_for(name).items()]
        found = await asyncio.gather(*(event_of(trigger) for _, _, trigger in cases))
        return [(name, place, event) for (name, place, _), event in zip(cases, found, strict=True)]

    service.control.clear_journal()
    for name, place, event in run(all_events()):
        member = place.partition(" ")[0]
        assert event["kind"] == events.ERROR
        assert f"{member}={name!r} {BAD[name]}" in event["message"]
        json.dumps(event, ensure_ascii=False).encode()  # what cannot be encoded would end the triggerer
        with pytest.raises(BackendRequestError):
            events.job_of_event(event)
    assert service.control.journal() == []


@pytest.mark.parametrize(
    "where", [{"aws_conn_id": ""}, {"aws_conn_id": "None"}, {"region_name": "us-east-1\n"}], ids=str
)
def test_a_connection_or_region_that_is_none_ends_the_wait_at_once(
    service: LocalAmplifyBackend, run: Run, where: dict[str, str]
) -> None:
    patient: dict[str, Any] = {"deadline": time.time() + 600, "waiter_delay": 600}
    trigger = BackendJobTrigger.waiting_for(JobRef(APP, "job", ("staging",)), **patient, **where)
    event = run(event_of(trigger))
    assert event["kind"] == events.ERROR
    ((name, value),) = where.items()
    assert f"{name}={value!r} " in event["message"]
    assert service.control.journal() == []
