"""The short forms of the crash campaign, and the rules by which it counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.system import crash_campaign
from tests.system.crash_attack import OPERATIONS
from tests.system.crash_oracle import Round, judge
from tests.system.crash_plan import TASKS, plan_run
from tests.system.struck import Struck

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can see which task a process executes")
SEED = "7"


@pytest.mark.crash
@needs_root
def test_twenty_kills_start_nothing_twice_and_lose_nothing(
    struck: Struck, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--kills", "20", "--seed", SEED, "--celery-share", "0.3", "--folder", str(tmp_path)]
    code = crash_campaign.main(arguments, struck)
    printed = capsys.readouterr().out
    print(printed)
    assert printed.startswith(f"seed {SEED}\n")
    assert printed.splitlines()[-1] == "kills 20 · duplicates 0 · lost 0 · unfinished 0"
    assert code == 0


@pytest.mark.crash
@needs_root
def test_the_naive_operator_fails_the_campaign(
    struck: Struck, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--naive", "--kills", "8", "--seed", SEED, "--celery-share", "0", "--folder", str(tmp_path)]
    code = crash_campaign.main(arguments, struck)
    printed = capsys.readouterr().out
    print(printed)
    assert "lost 0" not in printed.splitlines()[-1]
    assert code == 1


def test_a_seed_gives_the_same_plans_again() -> None:
    assert [plan_run(7, number) for number in range(1, 50)] == [plan_run(7, number) for number in range(1, 50)]
    assert plan_run(7, 1) != plan_run(8, 1)
    assert len({plan_run(7, number).environment for number in range(1, 1000)}) == 999


def test_a_plan_strikes_at_every_step_and_everything() -> None:
    attacks = [
        attack
        for number in range(1, 200)
        for attacks_of in plan_run(7, number, celery=True).rounds
        for task in attacks_of.values()
        for attack in task
    ]
    steps = {attack.step for attack in attacks}
    assert steps == {
        "begins",
        "looks",
        "intent stored",
        "intent, request dies",
        "request held",
        "answer held",
        "id not stored",
        "answer lost",
        "waits",
        "resumes",
        "any moment",
    }
    assert {"task", "supervisor", "both", "worker", "triggerer", "scheduler", "clear"} < {one.strike for one in attacks}


def _run(*started: tuple[str, str, str]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """A journal and its jobs, from (task, job id, status)."""
    journal = [{"operation": OPERATIONS[task], "job_id": job_id} for task, job_id, _ in started]
    return journal, {job_id: {"Status": status} for _, job_id, status in started}


GOOD = [(task, task, "COMPLETED") for task in TASKS]
KNOWN = {task: {task} for task in TASKS}


@pytest.mark.parametrize(
    ("started", "rounds", "expected"),
    [
        pytest.param(GOOD, [Round("success", KNOWN)], (0, 0, 0), id="as it should be"),
        pytest.param(GOOD, [Round("failed", KNOWN)], (0, 0, 1), id="a run failed"),
        pytest.param(GOOD, [Round("not ended", KNOWN)], (0, 0, 1), id="a run does not end"),
        pytest.param(
            [*GOOD, ("clone", "again", "COMPLETED")], [Round("success", KNOWN)], (1, 1, 0), id="a second start"
        ),
        pytest.param(
            [*GOOD, ("clone", "again", "COMPLETED")],
            [Round("success", KNOWN | {"clone": {"clone", "again"}})],
            (1, 0, 0),
            id="a second start that is known",
        ),
        pytest.param(GOOD, [Round("success", KNOWN | {"delete": set()})], (0, 1, 0), id="a job that nobody knows"),
        pytest.param(
            [*GOOD[:-1], ("delete", "delete", "RUNNING")],
            [Round("success", KNOWN)],
            (0, 1, 0),
            id="a job that nobody waited for",
        ),
        pytest.param(GOOD[1:], [Round("success", KNOWN)], (0, 0, 1), id="a success without a job"),
        pytest.param(
            [("clone", "first", "FAILED"), *GOOD], [Round("success", KNOWN)], (0, 0, 0), id="another after a failed job"
        ),
        pytest.param(
            [*GOOD, ("clone", "last", "FAILED")], [Round("failed", KNOWN)], (0, 1, 1), id="a failed job nobody saw"
        ),
        pytest.param(
            [*GOOD, *((task, f"{task}2", "COMPLETED") for task in TASKS)],
            [Round("success", KNOWN), Round("success", {task: {f"{task}2"} for task in TASKS})],
            (0, 0, 0),
            id="two rounds",
        ),
        pytest.param(
            GOOD, [Round("success", KNOWN), Round("success", KNOWN)], (0, 0, 4), id="a second round that did nothing"
        ),
    ],
)
def test_the_oracle(started: list[tuple[str, str, str]], rounds: list[Round], expected: tuple[int, int, int]) -> None:
    verdict = judge("env", rounds, *_run(*started))
    assert (verdict.duplicates, verdict.lost, verdict.unfinished) == expected, verdict.findings
    assert verdict.is_clean == (expected == (0, 0, 0))
