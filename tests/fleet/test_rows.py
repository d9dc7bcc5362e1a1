"""Rows from answers: ages, health, leases, migration and attention, as pure functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.fleet.attention import findings, urgency
from airflow_provider_amplifybackend.fleet.health import Health, health_of
from airflow_provider_amplifybackend.fleet.leases import lease_of
from airflow_provider_amplifybackend.fleet.migration import Migration, migration_of
from airflow_provider_amplifybackend.fleet.reading import App, Environment, Known
from airflow_provider_amplifybackend.fleet.rows import COLUMNS, environment_row, error_row
from airflow_provider_amplifybackend.guard.inventory import MOST_RESOURCES
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState, lease_key, pin_key
from airflow_provider_amplifybackend.guard.signs import Facts
from tests.fleet.made import NOW, PLACE, finding, row

HOURS_2 = timedelta(hours=2)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def job(status: str, *, hours_ago: float, operation: str = "UpdateBackendAPI") -> Job:
    time = int((NOW - timedelta(hours=hours_ago)).timestamp() * 1000)
    return Job("d1", "dev", f"{operation}-{hours_ago}", operation, status, None, time, time)


def environment(jobs: list[Job] | None = None, **members: Any) -> Environment:
    plain: dict[str, Any] = {"known": Known("dev", in_amplify=True), "jobs": jobs or [], "meta": {}}
    return Environment(**(plain | members))


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], Health.OK),
        ([job("COMPLETED", hours_ago=1)], Health.OK),
        ([job("FAILED", hours_ago=1)], Health.FAILED),
        # What counts is the newest, wherever it stands in the list.
        ([job("FAILED", hours_ago=9), job("COMPLETED", hours_ago=1)], Health.OK),
        ([job("COMPLETED", hours_ago=1), job("FAILED", hours_ago=9)], Health.OK),
        ([job("RUNNING", hours_ago=1)], Health.BUSY),
        ([job("PENDING", hours_ago=3)], Health.STUCK),
        ([job("SOMETHING_NEW", hours_ago=3)], Health.STUCK),
        ([Job("d1", "dev", "no times", "CloneBackend", "RUNNING")], Health.BUSY),
    ],
)
def test_health_is_what_the_jobs_say(jobs: list[Job], expected: Health) -> None:
    assert health_of(environment(jobs), NOW, HOURS_2) is expected


def test_what_was_not_read_is_unknown_and_not_healthy() -> None:
    assert health_of(environment(jobs_are_complete=None), NOW, HOURS_2) is Health.UNKNOWN
    assert health_of(environment(exists=False), NOW, HOURS_2) is Health.MISSING


@settings(deadline=None)
@given(meta=st.dictionaries(st.text(max_size=8), ANYTHING, max_size=4), flags=ANYTHING)
def test_any_document_of_the_service_makes_a_row(meta: dict[str, Any], flags: Any) -> None:
    made = environment_row(PLACE, App("d1"), environment(meta=meta, flags=flags))
    assert list(made) == list(COLUMNS)
    json.dumps(made)
    findings(made, {}, NOW, 90)


@pytest.mark.parametrize(("number", "notes"), [(MOST_RESOURCES, 0), (MOST_RESOURCES + 1, 1)])
def test_a_row_that_does_not_have_all_resources_says_so(number: int, notes: int) -> None:
    meta = {"function": {f"f{each}": {"service": "Lambda"} for each in range(number)}}
    made = environment_row(PLACE, App("d1"), environment(meta=meta))
    assert len(made["resources"]) == MOST_RESOURCES
    assert [note for note in made["unreadable"] if "more than 500" in note] == made["unreadable"]
    assert len(made["unreadable"]) == notes


def test_a_row_of_what_could_not_be_read_has_every_column() -> None:
    for made in (
        error_row(PLACE, ["why"]),
        error_row(PLACE, ["why"], App("d1")),
        error_row(PLACE, ["why"], App("d1"), "dev"),
    ):
        assert list(made) == list(COLUMNS)
        (first, *_) = findings(made, {}, NOW, 90)
        assert first.to_dict() == finding("high", "cannot be read: why")


LEASE = Lease.of(
    Holder("nightly", "r1"), "dev", state=LeaseState.HELD, since=NOW, until=datetime(2026, 11, 29, 10, tzinfo=UTC)
)
HELD = "held until 2026-11-29T10:00:00+00:00 by DAG nightly"


@pytest.mark.parametrize(
    ("tags", "text", "ends"),
    [
        ({}, "", None),
        ({lease_key("other"): LEASE.value}, "", None),
        ({LEASE.key: LEASE.value}, HELD, "2026-11-29T10:00:00+00:00"),
        ({pin_key("dev"): "ann"}, "pinned", None),
        ({LEASE.key: LEASE.value, pin_key("dev"): ""}, f"{HELD} (pinned)", None),
        ({LEASE.key: "whatever until=soon"}, "leased, in a form that cannot be read", None),
    ],
)
def test_a_lease_is_shown_as_its_tag_has_it(tags: dict[str, str], text: str, ends: str | None) -> None:
    lease = lease_of(tags, "dev", NOW)
    assert (lease.text, lease.until.isoformat() if lease.until else None) == (text, ends)


@pytest.mark.parametrize(
    ("variable", "stacks", "expected"),
    [
        (None, {}, Migration.NONE),
        ("dev", {}, Migration.LOCKED),
        ("Dev", {}, Migration.LOCKED),
        ("staging", {}, Migration.OTHER),
        ("dev", {"amplify-d1-main-auth-holding": "CREATE_COMPLETE"}, Migration.REFACTORED),
        (None, {"amplify-d1-main-auth-holding": "CREATE_COMPLETE"}, Migration.OTHER),
        (None, {"amplify-d2-main-auth-holding": "CREATE_COMPLETE"}, Migration.NONE),
    ],
)
def test_a_migration_is_that_of_one_environment_of_an_app(
    variable: str | None, stacks: dict[str, str], expected: Migration
) -> None:
    app = App("d1", variables={"GEN2_MIGRATION_ENVIRONMENT_NAME": variable} if variable else {})
    assert migration_of(app, environment(signs=Facts(now=NOW)), stacks) is expected


def test_signs_that_cannot_be_read_are_no_sign_that_nothing_is_going_on() -> None:
    unread = Facts(now=NOW, unreadable=["cloudformation:GetStackPolicy (AccessDenied)"])
    assert migration_of(App("d1"), environment(signs=unread), {}) is Migration.UNKNOWN
    assert migration_of(App("d1"), environment(signs=None), {}) is Migration.UNKNOWN


def test_what_is_unchanged_for_long_is_worth_a_question_unless_somebody_wants_it() -> None:
    old = row(idle_days=120.0)
    assert [one.level for one in findings(old, {}, NOW, 90)] == ["low"]
    for wanted in ({"protection": ["'dev'"]}, {"lease": "held"}):
        assert findings(old | wanted, {}, NOW, 90) == []


def test_a_lease_that_has_ended_is_a_finding_and_one_that_lasts_is_none() -> None:
    ended, lasting = (
        row(lease="held", lease_until=NOW.isoformat()),
        row(lease="held", lease_until="2026-11-30T00:00:00+00:00"),
    )
    assert "it is still there" in findings(ended, {}, NOW, 90)[0].text
    assert findings(lasting, {}, NOW, 90) == []


def test_what_is_most_urgent_stands_first() -> None:
    rows = [
        row("a"),
        row("b", attention=[finding("low")]),
        row("c", attention=[finding("medium")]),
        row("d", attention=[finding("high")]),
        row("e", attention=[finding("high"), finding("high")]),
    ]
    assert [one["environment"] for one in sorted(rows, key=urgency)] == ["e", "d", "c", "b", "a"]
