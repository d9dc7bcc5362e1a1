"""What a newer reading replaces: what it has looked at, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_amplifybackend.fleet.coverage import Reading, merged
from airflow_provider_amplifybackend.fleet.stored import compact, from_compact, with_wish
from tests.fleet.made import NOW, row

TASK = {"app_ids": None, "connections": None, "regions": None, "aws_conn_id": "aws_default", "region_name": None}
UNREAD_APP = row("", kind="app", unreadable=["app d1: AccessDenied"])
UNREAD_REGION = row("", kind="region", app_id="", unreadable=["the apps: AccessDenied"])
NO_STACKS = row("", kind="region", app_id="", unreadable=["the stacks: AccessDenied"])


def reading(*rows: dict[str, Any], rendered: Any = None, most: int = 48_000, **changes: Any) -> Reading:
    """A reading as it comes back from an XCom; without ``rendered``, of a task of which no more is known."""
    value = json.loads(json.dumps(compact(rows, {"taken_at": NOW.isoformat()}, most)))
    for name, change in changes.items():
        value.pop(name) if change is None else value.update({name: change})
    found = from_compact(value)
    assert found is not None
    return with_wish(found, rendered)


def of(**parameters: Any) -> dict[str, Any]:
    return TASK | parameters


def kept(newer: Reading, *rows: dict[str, Any], rendered: Any = None) -> list[str]:
    """What is left of an older reading beside a newer one."""
    later = merged([newer, reading(*rows, rendered=rendered)])[1:]
    return [one["environment"] or one["kind"] for _, rest in later for one in rest]


def test_an_environment_of_an_app_that_was_read_again_is_gone() -> None:
    assert kept(reading(row("dev")), row("dev"), row("haunted")) == []


def test_an_app_that_a_reading_of_all_has_not_found_is_gone() -> None:
    assert kept(reading(row("dev"), rendered=of()), row("haunted", app_id="d9")) == []


def test_a_region_in_which_nothing_is_left_was_read_all_the_same() -> None:
    newer = reading(rendered=of(regions=["us-east-1", "eu-west-1"]))
    assert kept(newer, row("haunted")) == []


def test_a_connections_own_region_in_which_nothing_is_left_was_read_all_the_same() -> None:
    assert kept(reading(rendered=of()), row("haunted"), rendered=of()) == []
    assert kept(reading(rendered=of()), row("elsewhere"), rendered=of(regions=["us-east-1"])) == ["elsewhere"]


@pytest.mark.parametrize(
    ("older", "rendered"),
    [
        (row("dev", app_id="d9"), of(app_ids=["d1"])),
        (row("dev", app_id="d9"), of(app_ids="d1,d2")),
        (row("dev", app_id="d9"), None),
        (row("dev", app_id="d9"), of(app_ids=[])),
        (row("dev", region="eu-west-1"), of()),
        (row("dev", connection="other"), of(regions=["us-east-1"])),
    ],
)
def test_what_a_reading_has_not_looked_at_stays(older: dict[str, Any], rendered: Any) -> None:
    assert kept(reading(row("new"), rendered=rendered), older) == ["dev"]


@pytest.mark.parametrize("unread", [UNREAD_APP, UNREAD_REGION])
def test_what_a_reading_could_not_list_stays(unread: dict[str, Any]) -> None:
    assert kept(reading(unread, rendered=of()), row("dev")) == ["dev"]


def test_an_app_that_cannot_be_listed_keeps_no_other_on_the_page() -> None:
    newer = reading(UNREAD_APP, row("new", app_id="d2"), rendered=of())
    assert kept(newer, row("dev"), row("haunted", app_id="d9")) == ["dev"]


def test_a_region_whose_stacks_alone_cannot_be_listed_was_read() -> None:
    assert kept(reading(NO_STACKS, row("new"), rendered=of()), row("haunted", app_id="d9")) == []


def test_an_error_of_a_region_is_over_once_the_region_was_read() -> None:
    assert kept(reading(row("dev"), rendered=of()), UNREAD_REGION) == []
    assert kept(reading(row("dev"), rendered=of(app_ids=["d1"])), UNREAD_REGION) == []


def test_what_was_listed_is_known_of_what_does_not_fit_too() -> None:
    newer = reading(row("first"), row("x" * 400, region="eu-west-1", app_id="d2"), rendered=of(), most=650)
    assert [len(newer.rows), newer.more] == [1, 1]
    assert kept(newer, row("haunted", region="eu-west-1", app_id="d3")) == []


def test_a_summary_of_an_earlier_version_covers_what_its_rows_name() -> None:
    newer = reading(row("dev"), rendered=of(regions=["us-east-1", "eu-west-1"]), listed=None)
    assert kept(newer, row("haunted"), row("gone", region="eu-west-1")) == []
    cut = reading(row("dev"), rendered=of(regions=["us-east-1", "eu-west-1"]), listed=None, more=5)
    assert kept(cut, row("haunted"), row("perhaps", region="eu-west-1")) == ["perhaps"]


def test_a_reading_that_is_replaced_as_a_whole_does_not_count() -> None:
    newer = reading(row("dev"), rendered=of())
    (only,) = merged([newer, reading(row("dev"), row("haunted"))])
    assert only[0] is newer


@pytest.mark.parametrize("listed", [5, {}, [5, None], [{"connection": 5, "unread_apps": {"a": 1}}], [[]]])
def test_whatever_stands_where_listed_places_should_be_is_read(listed: Any) -> None:
    assert reading(row("dev"), listed=listed).rows


@pytest.mark.parametrize("rendered", ["", 5, [], {"app_ids": 1}, of(app_ids={"a": 1}), of(regions=[""])])
def test_a_task_that_was_rendered_otherwise_is_one_of_which_no_more_is_known(rendered: Any) -> None:
    assert reading(row("dev"), rendered=rendered).wish is None


@pytest.mark.parametrize(("more", "count"), [(-7, 0), (3, 3), ("x", 0), (True, 0), (2.9, 2)])
def test_a_number_of_further_rows_is_none_below_zero(more: Any, count: int) -> None:
    assert reading(row("dev"), more=more).more == count
