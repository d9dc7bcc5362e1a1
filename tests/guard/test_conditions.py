"""Conditions of a deletion: read from what a user or a template gives, and held against facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_amplifybackend.guard.conditions import ConditionError, conditions_of
from airflow_provider_amplifybackend.guard.lease import Holder, Lease, LeaseState
from airflow_provider_amplifybackend.guard.signs import Facts

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def facts(**known: Any) -> Facts:
    return Facts(now=NOW, **known)


def unmet(conditions: dict[str, Any], environment: str = "pr", **known: Any) -> list[str]:
    return conditions_of(conditions).unmet(environment, facts(**known))


def test_no_conditions_are_always_met() -> None:
    assert conditions_of(None).unmet("pr", facts()) == []
    assert conditions_of({}).unmet("pr", facts()) == []


@pytest.mark.parametrize(
    ("pattern", "environment", "is_met"), [("pr*", "pr12", True), ("pr*", "main", False), ("pr?", "PR1", False)]
)
def test_the_name_must_match_as_it_is(pattern: str, environment: str, is_met: bool) -> None:
    assert (unmet({"name": pattern}, environment) == []) is is_met


@pytest.mark.parametrize(
    ("limit", "age", "is_met"),
    [
        ("6h", timedelta(hours=7), True),
        ("6h", timedelta(hours=6), False),
        ("6h", timedelta(hours=5, minutes=59), False),
        (" 30 M ", timedelta(minutes=31), True),
        ("2d", timedelta(days=3), True),
        ("1w", timedelta(days=6), False),
        ("90s", timedelta(seconds=91), True),
        (timedelta(hours=1), timedelta(hours=2), True),
    ],
)
def test_the_environment_must_be_older(limit: Any, age: timedelta, is_met: bool) -> None:
    assert (unmet({"older_than": limit}, created=NOW - age) == []) is is_met


def test_an_age_that_cannot_be_read_is_no_age() -> None:
    [text] = unmet({"older_than": "6h"}, created=None)
    assert "cannot be read" in text


@pytest.mark.parametrize(("is_empty", "is_met"), [(True, True), (False, False), (None, False)])
def test_it_must_be_known_to_be_empty(is_empty: bool | None, is_met: bool) -> None:
    assert (unmet({"empty": True}, is_empty=is_empty) == []) is is_met


@pytest.mark.parametrize(("jobs", "is_met"), [([], True), (["j1"], False), (None, False)])
def test_no_job_may_be_pending_and_that_must_be_known(jobs: list[str] | None, is_met: bool) -> None:
    assert (unmet({"no_pending_job": True}, pending_jobs=jobs) == []) is is_met


def test_every_condition_that_does_not_hold_is_named() -> None:
    found = unmet({"name": "pr*", "older_than": "6h", "empty": True}, "main", created=NOW, is_empty=False)
    assert [text.split(":")[0] for text in found] == ["name", "older_than", "empty"]


def test_what_a_template_renders_is_read_like_what_is_written() -> None:
    assert conditions_of({"no_pending_job": "True", "empty": " true "}) == conditions_of(
        {"no_pending_job": True, "empty": True}
    )


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"nmae": "pr*"}, "unknown conditions: nmae"),
        ({"created_by_me": True}, "unknown conditions: created_by_me"),
        ("name=pr*", "must be a dictionary"),
        (["pr*"], "must be a dictionary"),
        ({"name": ""}, "name is empty"),
        ({"name": "None"}, "name is missing a value"),
        ({"name": None}, "not a text"),
        ({"name": "{{ params.pattern }}"}, "no name has"),
        ({"name": "d1/pr*"}, "has a slash"),
        ({"older_than": "6"}, "older_than must be"),
        ({"older_than": 6}, "older_than must be"),
        ({"older_than": "six hours"}, "older_than must be"),
        ({"older_than": "-6h"}, "older_than must be"),
        ({"older_than": "0h"}, "more than nothing"),
        ({"older_than": None}, "older_than must be"),
        ({"older_than": "None"}, "older_than must be"),
        ({"empty": False}, "empty can only be True"),
        ({"no_pending_job": "yes"}, "no_pending_job can only be True"),
        ({"no_pending_job": None}, "no_pending_job can only be True"),
    ],
)
def test_conditions_that_cannot_be_read_are_an_error(conditions: Any, says: str) -> None:
    with pytest.raises(ConditionError, match=says.replace("(", r"\(")):
        conditions_of(conditions)


RUN = Holder("nightly", "run")
SINCE = NOW - timedelta(hours=2)


def lease(holder: Holder = RUN) -> Lease:
    return Lease.of(holder, "pr", state=LeaseState.HELD, since=SINCE, until=NOW)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"lease": lease(), "created": SINCE}, None),
        # Any group and any map index of the run.
        ({"lease": lease(Holder("nightly", "run", "group", 7)), "created": SINCE}, None),
        ({"exists": False}, None),
        ({"lease": None, "created": SINCE}, "environment pr has no lease"),
        ({"lease": lease(Holder("nightly", "other")), "created": SINCE}, "is leased to run other of DAG nightly"),
        ({"lease": lease(), "created": None}, "it cannot be read when environment pr was created"),
        ({"lease": lease(), "created": SINCE - timedelta(seconds=1)}, "environment pr is older than its lease"),
        ({"lease_problem": "the tags cannot be read"}, "the tags cannot be read"),
    ],
)
def test_the_environment_must_have_been_created_under_a_lease_of_the_run(known: Any, says: str | None) -> None:
    conditions = replace(conditions_of({"created_by_this_run": True}), run=RUN.run)
    found = conditions.unmet("pr", facts(**known))
    assert found == [] if says is None else says in found[0]
    assert conditions.wants_age


def test_outside_of_a_run_nothing_was_created_by_it() -> None:
    assert "this is not the task of a run" in unmet({"created_by_this_run": True}, lease=lease(), created=SINCE)[0]
