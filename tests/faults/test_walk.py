"""A search for stories in which a job is started twice, or not, or is taken for another one: see walk.py.

A story that failed once is kept in FAILED_ONCE, where its seed is tried again for good.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from tests.faults import walk

# Few enough for every run of the tests; `make test-faults-short` walks many more, with a seed of its own.
STORIES = 300
MANY_STORIES = int(os.environ.get("WALK_STORIES", "3000"))
# What each found on the version that it failed on.
FAILED_ONCE = {
    488: "a clear that resets no DAG run took what had been removed in the round before for its own removal",
    122: "a job of the round before, which was not listed when the task was cleared, was taken for the new one",
    8894: "a clear that resets no DAG run was refused like the tries before it, for what had appeared meanwhile",
    22234: "an environment that a removal of all had deleted since was created again by the task that had created it",
    5196: "an import into an environment that is gone by now counted as imported",
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__START_PATIENCE", str(walk.PATIENCE))
    with walk.quiet():
        yield


def walk_stories(seeds: range) -> Counter[str]:
    """Walk a story for each seed, and count how its tries ended."""
    ends: Counter[str] = Counter()
    for seed in seeds:
        try:
            story = walk.tell(random.Random(seed))
        except AssertionError as found:
            found.add_note(f"seed {seed}: put it into FAILED_ONCE once it is mended")
            raise
        ends.update(line.partition(":")[0] for line in story.log)
        ends[story.operation] += 1
    return ends


def test_a_walk_over_starts_finds_nothing() -> None:
    ends = walk_stories(range(STORIES))
    # The walk has been everywhere.
    assert set(ends) >= {"success", "failed", "died", "cleared", *JOB_OPERATIONS}


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_a_story_that_failed_once_holds(seed: int) -> None:
    walk_stories(range(seed, seed + 1))


def test_a_seed_is_a_story_at_whatever_time_it_is_told() -> None:
    for seed in range(40):
        first, again = (walk.tell(random.Random(seed)) for _ in range(2))
        assert first.log == again.log
        assert [entry.accepted_at for entry in first.world.accepted] == [
            entry.accepted_at for entry in again.world.accepted
        ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_hypothesis_finds_nothing_either(chances: random.Random) -> None:
    """Its stories are shorter, and what it finds it makes as short as can be."""
    walk.tell(chances)


@pytest.mark.faults
def test_a_long_walk_over_starts_finds_nothing() -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**9))
    print(f"\nwalk: seed {seed}, {MANY_STORIES} stories", flush=True)
    ends = walk_stories(range(seed, seed + MANY_STORIES))
    print("walk: " + " · ".join(f"{end} {number}" for end, number in ends.most_common(4)), flush=True)
