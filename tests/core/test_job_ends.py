"""What of a list of jobs is news: each end once, in whatever order, however late, and over a store."""

from __future__ import annotations

import json
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.job_ends import (
    CLOCK_MARGIN_MS,
    MOST_REMEMBERED,
    JobList,
    Watermark,
    advance,
    begin,
)

NOW = 1_700_000_000_000
MINUTE = 60_000


def job(job_id: str, status: str = "COMPLETED", *, at: int | None = NOW, operation: str = "UpdateBackendAPI") -> Job:
    return Job("d1", "staging", job_id, operation, status, None, at and at - MINUTE, at)


def listed(*jobs: Job, at: int = NOW, exists: bool = True) -> JobList:
    return JobList("d1", "staging", jobs, exists or bool(jobs), at, 1)


def stored(known: Watermark) -> Watermark:
    """What comes back from a store of Airflow's."""
    read = Watermark.from_stored(json.loads(json.dumps(known.to_stored())))
    assert read == known
    return read


def ids(jobs: list[Job]) -> list[str]:
    return [each.job_id for each in jobs]


def test_what_had_ended_before_somebody_watched_is_no_news() -> None:
    known = begin(listed(job("old"), job("older", at=NOW - MINUTE)))
    assert advance(known, listed(job("old"), job("older", at=NOW - MINUTE)))[1] == []


def test_an_end_is_news_once() -> None:
    known = begin(listed())
    known, news = advance(known, listed(job("one", at=NOW + 1)))
    assert ids(news) == ["one"]
    assert advance(stored(known), listed(job("one", at=NOW + 1)))[1] == []


def test_a_failed_job_has_ended_and_one_of_an_unknown_status_has_not() -> None:
    known, news = advance(begin(listed()), listed(job("bad", "FAILED", at=NOW + 1), job("odd", "BREWING", at=NOW + 1)))
    assert ids(news) == ["bad"]
    assert set(known.unfinished) == {"odd"}


def test_an_end_that_is_listed_late_is_news_although_later_ones_were_before() -> None:
    known, _ = advance(begin(listed()), listed(job("late", at=NOW + 9 * MINUTE)))
    news = advance(known, listed(job("late", at=NOW + 9 * MINUTE), job("early", at=NOW + MINUTE)))[1]
    assert ids(news) == ["early"]


def test_what_was_seen_running_is_news_whatever_time_its_row_has() -> None:
    known = begin(listed(job("slow", "RUNNING", at=NOW - 30 * MINUTE)))
    assert ids(advance(stored(known), listed(job("slow", at=NOW - 30 * MINUTE)))[1]) == ["slow"]


def test_an_end_without_times_is_news() -> None:
    bare = replace(job("bare"), create_time_ms=None, update_time_ms=None)
    known, news = advance(begin(listed()), listed(bare, at=NOW + MINUTE))
    assert ids(news) == ["bare"]
    assert advance(known, listed(bare, at=NOW + 2 * MINUTE))[1] == []


def test_who_touches_the_row_of_a_job_that_has_ended_makes_no_second_end() -> None:
    known = begin(listed(job("one")))
    assert advance(known, listed(job("one", "FAILED", at=NOW + MINUTE)))[1] == []


def test_a_removal_that_is_forgotten_with_its_environment_has_completed() -> None:
    known, _ = advance(begin(listed()), listed(job("delete", "RUNNING", operation="DeleteBackend")))
    known, news = advance(stored(known), listed(exists=False, at=NOW + MINUTE))
    assert [(each.job_id, each.operation, each.status) for each in news] == [("delete", "DeleteBackend", "COMPLETED")]
    assert advance(stored(known), listed(exists=False, at=NOW + 2 * MINUTE))[1] == []


def test_a_list_that_is_empty_for_a_moment_ends_nothing() -> None:
    known, _ = advance(begin(listed()), listed(job("delete", "RUNNING", operation="DeleteBackend")))
    known, news = advance(known, listed())
    assert news == []
    assert ids(advance(known, listed(job("delete", operation="DeleteBackend")))[1]) == ["delete"]


def test_other_jobs_of_an_environment_that_is_gone_have_no_end() -> None:
    known, _ = advance(begin(listed()), listed(job("update", "RUNNING")))
    assert advance(known, listed(exists=False))[1] == []


def test_ends_come_in_the_order_of_their_times() -> None:
    late, early = job("a", at=NOW + 2 * MINUTE), job("b", at=NOW + MINUTE)
    assert ids(advance(begin(listed()), listed(late, early))[1]) == ["b", "a"]


def test_a_long_list_is_remembered_in_bounds_and_is_no_news_again() -> None:
    many = [job(f"job-{number}", at=NOW + number) for number in range(3 * MOST_REMEMBERED)]
    known, news = advance(begin(listed(at=NOW - MINUTE)), listed(*many))
    assert len(news) == len(many)
    assert len(known.ended) == MOST_REMEMBERED
    assert len(json.dumps(known.to_stored())) < 65_535
    assert advance(stored(known), listed(*many))[1] == []
    assert ids(advance(known, listed(*many, job("next", at=NOW + len(many))))[1]) == ["next"]


def test_what_is_not_ours_in_a_store_is_no_watermark() -> None:
    newer = {"version": 2, "floor_ms": 1, "ended": {}, "unfinished": {}}
    others: tuple[object, ...] = (None, {}, [], newer, {"version": 1})
    for foreign in others:
        assert Watermark.from_stored(foreign) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.booleans()), max_size=30),
    st.integers(0, 2**32),
)
def test_whatever_the_lists_show_each_end_is_news_once(jobs: list[tuple[int, int, bool]], seed: int) -> None:
    """Jobs end at random times and are listed up to twenty lists late, in any order; the watcher restarts at random."""
    chance = random.Random(seed)
    ends = {
        f"job-{number}": (NOW + CLOCK_MARGIN_MS + 1 + minute * MINUTE, late, failed)
        for number, (minute, late, failed) in enumerate(jobs)
    }
    known, told = begin(listed()), []
    for minute in range(80):
        now = NOW + minute * MINUTE
        rows = [
            job(job_id, "FAILED" if failed else "COMPLETED", at=end)
            for job_id, (end, late, failed) in ends.items()
            if end + late * MINUTE <= now
        ]
        chance.shuffle(rows)
        known, news = advance(stored(known) if chance.random() < 0.5 else known, listed(*rows, at=now))
        told += ids(news)
    assert sorted(told) == sorted(ends)
