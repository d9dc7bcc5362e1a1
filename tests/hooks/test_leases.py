"""The tags of an app as the hook reads and writes them, and what it says when it cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.lease_failure import LeaseFailure
from airflow_provider_amplifybackend.exceptions import BackendLeaseError
from airflow_provider_amplifybackend.guard.lease_reads import list_apps
from airflow_provider_amplifybackend.hooks._leases import Leases
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

KEY = "amplifybackend:lease:previabcde"


def leases(app_id: str = APP) -> Leases:
    return Leases(AmplifyBackendHook(), app_id)


def seed(service: LocalAmplifyBackend, **app: Any) -> None:
    service.control.seed({"apps": [{"app_id": APP, **app}]})


def test_what_is_written_is_read_until_it_is_removed(service: LocalAmplifyBackend) -> None:
    mine = leases()
    written = mine.write(KEY, "v=1")
    assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)
    assert mine.read().values == {KEY: "v=1"}
    mine.remove(KEY, "never-there")
    assert mine.read().values == {}


def test_times_are_those_of_the_service(service: LocalAmplifyBackend) -> None:
    service.control.set_clock(skew_seconds=7200)
    mine = leases()
    for moment in (mine.write(KEY, "v=1"), mine.read().now):
        assert moment - datetime.now(UTC) > timedelta(minutes=100)


def test_a_service_that_takes_no_more_tags_is_told_from_one_that_takes_none(service: LocalAmplifyBackend) -> None:
    seed(service, tags={f"k{number}": "" for number in range(50)})
    with pytest.raises(BackendLeaseError, match="Tags are full") as full:
        leases().write(KEY, "v=1")
    assert full.value.reason is LeaseFailure.TAGS_FULL
    leases().write("k1", "changed")
    service.control.add_fault("TagResource", kind="denied")
    seed(service, tags={"k1": None})
    with pytest.raises(BackendLeaseError, match="cannot be written: amplify:TagResource") as denied:
        leases().write(KEY, "v=1")
    assert denied.value.reason is LeaseFailure.TAGS


def test_an_app_that_there_is_not_is_named(service: LocalAmplifyBackend) -> None:
    with pytest.raises(BackendLeaseError, match=r"app dunknown.* the app is unknown to AWS Amplify"):
        leases("dunknown").read()


def test_environments_are_listed_over_all_pages_with_their_ages(service: LocalAmplifyBackend) -> None:
    names = [f"env{number:03}" for number in range(60)]
    seed(service, environments=[{"name": name, "age_seconds": 3600} for name in names])
    found = leases().environments()
    assert found.keys() == {*names, "staging"}
    created = found["env007"]
    assert created is not None
    assert timedelta(minutes=50) < datetime.now(UTC) - created < timedelta(minutes=70)
    assert leases().created("env007") == created
    assert leases().created("nothing") is None


def test_apps_are_listed_over_all_pages(service: LocalAmplifyBackend) -> None:
    service.control.seed({"apps": [f"d{number:04}" for number in range(120)]})
    assert len(AmplifyBackendHook().guard.read(list_apps())) == 121
