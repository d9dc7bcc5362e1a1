"""The campaign in its short form, and the control: that it can fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

CALLS = int(os.environ.get("CALLS") or 300)
SEED = int(os.environ.get("SEED") or 7)
LINE = re.compile(r"calls (\d+) · duplicates (\d+) · wrong successes (\d+) · unexplained failures (\d+)")


def run(*arguments: str) -> tuple[int, list[int], str]:
    """Run a campaign in a process of its own: it shortens waits for good. Returns its status, counts and output."""
    command = [sys.executable, "-m", "tests.faults.campaign", "--seed", str(SEED), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    last = LINE.fullmatch(done.stdout.splitlines()[-1])
    assert last, done.stdout + done.stderr
    return done.returncode, [int(number) for number in last.groups()], done.stdout


@pytest.mark.faults
def test_nothing_is_started_twice_and_every_failure_says_why() -> None:
    status, counts, output = run("--calls", str(CALLS))
    assert counts == [CALLS, 0, 0, 0], output
    assert status == 0


@pytest.mark.faults
def test_the_control_starts_jobs_twice() -> None:
    status, (calls, duplicates, _, unexplained), output = run("--calls", "250", "--naive")
    assert (calls, status) == (250, 1)
    assert duplicates, output
    assert unexplained, output
