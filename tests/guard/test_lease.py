"""The tag that is a lease: what it holds, how it is read, and the names of leased environments."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.guard.lease import (
    MOST_TAGS,
    Holder,
    Lease,
    LeaseFormatError,
    LeaseState,
    Tags,
    candidates,
    choose_name,
    default_prefix,
    lease_key,
    parse,
    pin_key,
    prefix_problem,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOLDER = Holder("nightly", "scheduled__2026-11-28T00:00:00+00:00", "preview")
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=250)
holders = st.builds(Holder, ids, ids, ids, st.integers(-1, 99_999))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1)).map(
    lambda one: one.replace(microsecond=0, tzinfo=UTC)
)


def lease_of(holder: Holder = HOLDER, environment: str = "previabcde", **changes: object) -> Lease:
    lease = Lease.of(holder, environment, state=LeaseState.HELD, since=NOW, until=NOW + timedelta(hours=6))
    return replace(lease, **changes)  # type: ignore[arg-type]


@settings(deadline=None)
@given(holders, st.sampled_from(list(LeaseState)), moments, moments)
def test_a_lease_is_a_tag_that_amplify_takes_and_reads_back_the_same(
    holder: Holder, state: LeaseState, since: datetime, until: datetime
) -> None:
    lease = Lease.of(holder, "previabcde", state=state, since=since, until=until)
    for written in (lease, replace(lease, state=LeaseState.WAITING)):
        # The patterns of Amplify's model, the second of which Python's `re` does not know.
        assert re.fullmatch(r"[a-zA-Z+-=._:/]{1,128}", written.key)
        assert len(written.value) <= 256
        assert all(mark in "_.:/=+-@" or unicodedata.category(mark)[0] in "LNZ" for mark in written.value)
        assert parse(written.key, written.value) == written
    assert lease.is_of(holder)


@settings(deadline=None)
@given(holders, holders)
def test_a_lease_is_of_nobody_else(one: Holder, other: Holder) -> None:
    assert lease_of(one).is_of(other) is (one == other)


def test_ids_that_fit_stand_in_the_tag_as_they_are() -> None:
    lease = lease_of()
    assert (lease.dag_id, lease.run_id) == (HOLDER.dag_id, HOLDER.run_id)
    assert lease.has_whole_ids
    assert lease.has_whole_dag_id
    assert lease.value == (
        "v=1 state=held since=20261128T120000Z until=20261128T180000Z id=f1e0 group= dag=nightly "
        "run=scheduled__2026-11-28T00:00:00+00:00"
    ).replace("id=f1e0", f"id={HOLDER.run}").replace("group=", f"group={HOLDER.group}")


@pytest.mark.parametrize(
    "holder",
    [Holder("d" * 200, "run"), Holder("dag", "r" * 200), Holder("dag", "run~1"), Holder("d\U00020000g", "run")],
)
def test_ids_that_do_not_fit_are_told_apart_by_a_digest(holder: Holder) -> None:
    lease = lease_of(holder)
    assert not lease.has_whole_ids
    assert lease.has_whole_dag_id is (holder.dag_id == "dag")
    assert lease.is_of(holder)
    assert re.search(r"@[0-9a-f]{8}", lease.value)


@pytest.mark.parametrize("holder", [Holder("größen_名前", "manual__größe"), Holder("Grösse_٣", "run")])
def test_letters_and_digits_of_any_script_stand_in_the_tag_as_they_are(holder: Holder) -> None:
    lease = parse(lease_key("previabcde"), lease_of(holder).value)
    assert (lease.dag_id, lease.run_id) == (holder.dag_id, holder.run_id)
    assert lease.has_whole_dag_id


def test_a_dag_is_not_asked_about_by_letters_that_came_back_in_another_form() -> None:
    """Nobody outside AWS knows that it never does so, and no run of the DAG would be found: all would be over."""
    written = lease_of(Holder("größen", "run"))
    other = replace(written, dag_id=unicodedata.normalize("NFD", written.dag_id))
    assert not other.has_whole_dag_id
    assert not lease_of(Holder("größen", "r" * 300)).has_whole_dag_id


@pytest.mark.parametrize(
    "value",
    ["", "keep", "v=2 state=held", "v=1 state=held",
     "v=1 state=gone since=20261128T120000Z until=20261128T120000Z id=a group=b dag=c run=d",
     "v=1 state=held since=yesterday until=20261128T120000Z id=a group=b dag=c run=d"],
)  # fmt: skip
def test_what_is_no_lease_is_not_taken_for_one(value: str) -> None:
    with pytest.raises(LeaseFormatError):
        parse(lease_key("pr"), value)
    tags = Tags({lease_key("pr"): value}, NOW)
    assert list(tags.leases()) == []
    assert tags.leased() == {"pr"}


def test_a_lease_ends_with_its_last_second() -> None:
    lease = lease_of()
    assert not lease.has_ended(lease.until - timedelta(seconds=1))
    assert lease.has_ended(lease.until)


def test_tags_tell_leases_pins_and_room() -> None:
    lease = lease_of()
    tags = Tags({lease.key: lease.value, pin_key("other"): "Ann", "team": "web"}, NOW)
    assert tags.lease_of("previabcde") == lease
    assert tags.lease_of("other") is None
    assert tags.lease_of_holder(HOLDER) == lease
    assert tags.lease_of_holder(replace(HOLDER, map_index=1)) is None
    assert tags.is_pinned("other")
    assert not tags.is_pinned("previabcde")
    full = Tags({str(number): "" for number in range(MOST_TAGS - 1)} | {lease.key: ""}, NOW)
    assert full.has_room_for(lease.key)
    assert not full.has_room_for(lease_key("another"))


@settings(deadline=None)
@given(holders, st.sampled_from(["p", "previ"]))
def test_names_are_those_that_the_cli_takes_and_the_same_each_time(holder: Holder, prefix: str) -> None:
    first = list(islice(candidates(holder, prefix), 5))
    assert first == list(islice(candidates(holder, prefix), 5))
    assert all(re.fullmatch(r"[a-z]{10}", name) and name.startswith(prefix) for name in first)
    assert len(set(first)) == 5


@settings(deadline=None)
@given(st.sets(st.integers(0, 4)))
def test_a_name_is_never_one_that_exists(taken: set[int]) -> None:
    names = list(islice(candidates(HOLDER, "pr"), 6))
    chosen = choose_name(HOLDER, "pr", {names[index] for index in taken})
    assert chosen == next(name for index, name in enumerate(names) if index not in taken)


@pytest.mark.parametrize(
    ("group_id", "prefix"), [("preview", "previ"), ("PR-7", "pr"), ("clone_2", "clone"), ("x", "x"), ("7", "")]
)
def test_the_prefix_comes_from_the_group_id(group_id: str, prefix: str) -> None:
    assert default_prefix(group_id) == prefix
    assert (prefix_problem(prefix) is None) is bool(prefix)


@pytest.mark.parametrize("prefix", ["", "toolong", "pr7", "Pr", "a-b", "é"])
def test_a_prefix_that_the_cli_does_not_take_is_refused(prefix: str) -> None:
    assert "small letters" in str(prefix_problem(prefix))
