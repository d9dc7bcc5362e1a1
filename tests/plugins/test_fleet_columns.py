"""Each fact of an environment is on the page "Amplify backends" in its own column, from wherever its row comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.timing import replaced
from airflow_provider_amplifybackend.fleet.stored import compact, from_compact, from_json_lines, known_row
from airflow_provider_amplifybackend.plugins._database import TaskKey, Touch
from airflow_provider_amplifybackend.plugins._fleet_page import page
from airflow_provider_amplifybackend.plugins._sources import Fleet
from tests.fleet.made import NOW, finding, resource, row

# No two facts alike, so that one under another's heading is seen.
ROW = row(
    "production",
    app_id="d1",
    app_name="shop",
    region="eu-west-1",
    attention=[finding("high", "a job is stuck")],
    health="stuck",
    running_jobs=[
        {
            "job_id": "j1",
            "operation": "CloneBackend",
            "status": "RUNNING",
            "since": (NOW - timedelta(minutes=3)).isoformat(),
            "usual_seconds": 240.0,
        }
    ],
    last_job_operation="UpdateBackendAPI",
    last_job_status="FAILED",
    last_job_at=(NOW - timedelta(days=1)).isoformat(),
    age_days=90.5,
    lease="nightly/run-7",
    protection=["termination protection", "'production' of [amplifybackend] protected"],
    migration="locked",
    resources=[resource("people"), resource("files", category="storage", service="S3")],
    read_at=NOW.isoformat(),
)
CONSOLE = "https://eu-west-1.console.aws.amazon.com/amplify/home?region=eu-west-1#/d1/YmFja2VuZA/production"
STUDIO = "https://eu-west-1.admin.amplifyapp.com/admin/d1/production/home"
TOUCH = Touch(TaskKey("a_dag", "a_run", "update", -1), NOW - timedelta(hours=2), "success")
CELLS = [
    ("App", "shop (d1)"),
    ("Environment", "production"),
    ("Attention", "high a job is stuck"),
    ("Health", "stuck"),
    ("Running", "CloneBackend RUNNING for 3 min 0 s, usually 4 min 0 s"),
    ("Last job", "UpdateBackendAPI FAILED"),
    ("Last DAG run", "a_dag / update success, 2026-11-29 10:00 UTC"),
    ("Links", "Amplify console Amplify Studio"),
    ("Last job at", "2026-11-28 12:00"),
    ("Region", "eu-west-1"),
    ("Age (days)", "90.5"),
    ("Lease", "nightly/run-7"),
    ("Protection", "termination protection; 'production' of [amplifybackend] protected"),
    ("Migration", "locked"),
    ("Resources", "2 resources auth/people (Cognito) storage/files (S3)"),
]
ADDRESSES = {"Last DAG run": ["../dags/a_dag/runs/a_run/tasks/update"], "Links": [CONSOLE, STUDIO]}


class Table(HTMLParser):
    """The table of all environments: the texts and the addresses of its cells, line by line."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[list[tuple[list[str], list[str]]]] = []
        self._is_in_cell = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.lines.append([])
        elif tag in ("th", "td"):
            self.lines[-1].append(([], []))
            self._is_in_cell = True
        elif tag == "a" and self._is_in_cell:
            self.lines[-1][-1][1].append(str(dict(attrs)["href"]))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.lines[-1][-1][0].append(data.strip())


def as_written(one: dict[str, Any]) -> dict[str, Any] | None:
    return known_row(one)


def through_an_xcom(one: dict[str, Any]) -> dict[str, Any] | None:
    reading = from_compact(json.loads(json.dumps(compact([one], {"taken_at": NOW.isoformat()}))))
    assert reading is not None
    (found,) = reading.rows
    return dict(found)


def through_a_file(one: dict[str, Any]) -> dict[str, Any] | None:
    ((found,), bad) = from_json_lines(json.dumps(one).encode() + b"\n")
    assert bad == 0
    return found


@pytest.mark.parametrize("way", [as_written, through_an_xcom, through_a_file])
def test_each_fact_stands_under_its_own_heading(way: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    found = way(ROW)
    assert found is not None
    with replaced(now=NOW.timestamp):
        shown = page(Fleet(rows=[found], source="a task", taken_at=NOW), {CONSOLE: TOUCH})
    headings, cells = Table(shown).lines
    texts = [(" ".join(heading), " ".join(cell)) for (heading, _), (cell, _) in zip(headings, cells, strict=True)]
    assert texts == CELLS
    addresses = {" ".join(heading): links for (heading, _), (_, links) in zip(headings, cells, strict=True) if links}
    assert addresses == ADDRESSES
