"""The project of docs/first-dag.md, and the Airflow that is made for tests, on whatever Airflow is installed.

tests/project does all that the page says, from the wheel.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.local.test_pytest_plugin import PLUGIN, installed
from tests.local_project import existing_airflow, is_untouched, run_pytest, write_project
from tests.pages import ROOT

pytestmark = pytest.mark.matrix


def test_the_project_of_the_documentation_is_green_and_touches_no_existing_airflow(tmp_path: Path) -> None:
    existing = existing_airflow(tmp_path)
    project = write_project(tmp_path / "project")
    plugins = () if installed() else ("-p", PLUGIN)
    done = run_pytest(sys.executable, project, *plugins, environment=existing | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "4 passed" in done.stdout
    assert is_untouched(existing)


def test_the_airflow_of_tests_begins_without_connections_that_lead_to_the_real_aws(airflow_home: Path) -> None:
    with contextlib.closing(sqlite3.connect(airflow_home / "airflow.db")) as database:
        assert database.execute("select conn_id from connection").fetchall() == []
