"""`make demo ARGS=--stay`: the demo, then a page and Airflow's UI that stay until a signal, and nothing after it.

All of it in a shell whose settings lead elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.engine_processes import MARK, Marked

pytestmark = pytest.mark.system
DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"
DAG_ID = "example_ephemeral_environment"
# A shell of somebody who works on a real deployment. Each of these would end the demo, or lead it elsewhere.
SHELL = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "AIRFLOW__SECRETS__BACKEND": "nowhere.Nothing",
    "AIRFLOW__AMPLIFYBACKEND__GUARD": "off",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA": "production",
    "AWS_PROFILE": "production",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Marked]]:
    """The demo with `--stay`, its temporary files in a folder, and all processes that have come from it."""
    marked = Marked(uuid.uuid4().hex)
    process = subprocess.Popen(
        [sys.executable, str(DEMO), "--stay", "--job-seconds", "0.5"],
        env={**os.environ, **SHELL, MARK: marked.mark, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, marked
    finally:
        marked.end()
        process.communicate()


def said(process: subprocess.Popen[str], pattern: str) -> str:
    """Read on until it says something, and return what of it is in the pattern's group."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        assert "NOT AS IT SHOULD BE" not in line, "".join(lines)
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"it ended without: {pattern}\n{''.join(lines)}")


def read(url: str, **headers: str) -> str:
    with _opener.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        text: str = answer.read().decode()
        return text


def ended(process: subprocess.Popen[str], marked: Marked, folder: Path) -> int:
    process.communicate(timeout=120)
    assert marked.processes() == []
    assert list(folder.iterdir()) == []
    return process.returncode


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's, whose long path is one too many for the sockets below it.
    with tempfile.TemporaryDirectory(prefix="demo-") as made:
        yield Path(made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_page_and_ui_stay_on_one_database_until_a_signal_and_nothing_after_it(
    folder: Path, number: signal.Signals
) -> None:
    with demo(folder) as (process, marked):
        page = said(process, r"open (http://\S+) to watch it")
        ui = said(process, r"Airflow's UI: +(http://[^/]+)/dags/")
        said(process, r"(Ctrl-C ends everything)")
        assert "<title>Local AmplifyBackend</title>" in read(page, Accept="text/html")
        overview = json.loads(read(f"{page}_amplifybackend/overview"))
        assert {job["operation"] for job in overview["jobs"]["shown"]} >= {"CloneBackend", "DeleteBackend"}
        assert "<html" in read(f"{ui}/dags/{DAG_ID}", Accept="text/html")
        token = json.loads(read(f"{ui}/auth/token"))["access_token"]
        runs: Any = json.loads(read(f"{ui}/api/v2/dags/{DAG_ID}/dagRuns", Authorization=f"Bearer {token}"))
        assert [run["state"] for run in runs["dag_runs"]] == ["success"]
        assert len(marked.processes()) > 4
        process.send_signal(number)
        assert ended(process, marked, folder) == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_begins_leaves_nothing_either(folder: Path, number: signal.Signals) -> None:
    with demo(folder) as (process, marked):
        said(process, r"local AmplifyBackend on (\S+);")
        process.send_signal(number)
        assert ended(process, marked, folder) == 128 + number
