"""The Airflow that pytest makes for a user's tests: only when asked for, and never in a home that is there already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.local.test_pytest_plugin import PLUGIN, installed
from tests.local_project import existing_airflow, is_untouched, run_pytest
from tests.pages import ROOT

ASKED = '[tool.pytest.ini_options]\namplifybackend_dags = "dags"\n'
USES_IT = "def test_it(local_airflow):\n    pass\n"
SEES_WHAT_IS_THERE = """
import os
import sys

def test_it():
    assert os.environ["AIRFLOW_HOME"].endswith("existing")
    assert os.environ["AWS_PROFILE"] == "production"
    assert "airflow" not in sys.modules
"""
# A plugin of somebody else that imports Airflow; the real import would take seconds.
IMPORTS_AIRFLOW = """
import sys
import types

sys.modules["airflow"] = types.ModuleType("airflow")
sys.modules["airflow.configuration"] = types.ModuleType("airflow.configuration")
sys.modules["airflow.configuration"].AIRFLOW_HOME = "/srv/airflow"
"""
MOVES_THE_HOME = """
import os

os.environ["AIRFLOW_HOME"] = os.environ["EXISTING"]
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "sqlite:///" + os.environ["EXISTING"] + "/airflow.db"
"""
MAPPED = """
from datetime import datetime

from airflow import DAG

from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator

defaults = {"app_id": "d1a2b3c4d5", "retries": 1, "aws_conn_id": None}
with DAG("clean_up", schedule=None, start_date=datetime(2026, 1, 1), catchup=False, default_args=defaults):
    DeleteBackendOperator.partial(task_id="delete").expand(backend_environment_name=["one", "two"])
"""
RUNS_IT = """
import pytest


def test_tries_follow_each_other_and_boto3s_own_chain_leads_to_the_local_service(local_amplifybackend, local_airflow):
    local_amplifybackend.control.seed_app("d1a2b3c4d5", "one", "two")
    local_amplifybackend.control.add_fault("DeleteBackend", kind="job_fails", environment="two", times=1)
    run = local_airflow.run("clean_up")
    assert run.state == "success"
    assert run.states == {"delete[0]": "success", "delete[1]": "success"}
    assert run.xcom("delete", map_index=1)["outcome"] == "started"
    assert run.xcom("nobody") is None
    assert len(local_amplifybackend.control.journal("DeleteBackend", effective=True)) == 3


def test_a_dag_that_is_not_there_is_said_with_what_is(local_airflow):
    with pytest.raises(LookupError, match="no DAG 'cleanup'") as refused:
        local_airflow.run("cleanup")
    assert "clean_up" in str(refused.value)
    assert "No module named 'not_installed'" in str(refused.value)
"""
FAILING = """
from datetime import datetime

from airflow import DAG
from airflow.models import BaseOperator

from airflow_provider_amplifybackend._compat import mask_secret
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator


class Raising(BaseOperator):
    template_fields = ("text",)

    def __init__(self, *, text, tries=2, **more):
        super().__init__(**more)
        self.text, self.tries = text, tries

    def execute(self, context):
        mask_secret("hushhush-1234")
        if context["ti"].try_number <= self.tries:
            raise ValueError(self.text)


with DAG("failing", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    delete = DeleteBackendOperator.partial(task_id="delete", app_id="d1a2b3c4d5", deferrable=True).expand(
        backend_environment_name=["one", "two"]
    )
    Raising(task_id="after", text="never runs").set_upstream(delete)
    Raising(task_id="tells", text="the key is hushhush-1234, keep it", retries=1)
    Raising(task_id="recovers", text="only once", tries=1, retries=1)
    Raising(task_id="unrendered", text="{{ nobody.knows }}")
"""
SEES_WHY = """
def test_it(local_amplifybackend, local_airflow):
    local_amplifybackend.control.seed_app("d1a2b3c4d5", "one", "two")
    local_amplifybackend.control.add_fault(
        "DeleteBackend", kind="job_fails", environment="two", error="stack is in use"
    )
    run = local_airflow.run("failing")
    assert (run.states["after"], run.states["recovers"]) == ("upstream_failed", "success")
    assert set(run.errors) == {"delete[1]", "tells", "unrendered"}
    assert "stack is in use" in run.errors["delete[1]"]
    assert run.errors["tells"] == "ValueError: the key is ***, keep it"
    assert run.errors["unrendered"].startswith("UndefinedError: 'nobody' is undefined")
    assert repr(run).startswith("LocalRun(errors={")
    assert "hushhush" not in repr(run)
    assert run.state == "failed"
    assert run.state == "success"
"""

HANDS_ON = """
import copy
import dataclasses
import json
import pickle


def test_it(local_amplifybackend, local_airflow, record_property):
    local_amplifybackend.control.seed_app("d1a2b3c4d5", "one")
    run = local_airflow.run("clean_up")
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert other == run
    assert dataclasses.asdict(run)["state"] == "failed"
    assert json.loads(json.dumps(dataclasses.asdict(run)))["run_id"] == run.run_id
    record_property("state", run.state)
    assert run.state == "success"
"""


def in_project(
    folder: Path, test: str, *arguments: str, ini: str = ASKED, dags: bool = True, **files: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run pytest on one test in a folder of its own, in a shell that has an Airflow and an AWS already."""
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(ini)
    (project / "test_it.py").write_text(test)
    if dags:
        (project / "dags").mkdir()
    for name, text in files.items():
        (project / f"{name.replace('__', '/')}.py").write_text(text)
    existing = existing_airflow(folder)
    environment = existing | {"PYTHONPATH": f"{ROOT}:{project}", "EXISTING": existing["AIRFLOW_HOME"]}
    plugins = () if installed() else ("-p", PLUGIN)
    return run_pytest(sys.executable, project, *arguments, *plugins, environment=environment), existing


def test_without_the_option_nothing_is_changed(tmp_path: Path) -> None:
    done, existing = in_project(tmp_path, SEES_WHAT_IS_THERE, ini="")
    assert done.returncode == 0, done.stdout
    assert is_untouched(existing)


def test_the_fixture_without_the_option_says_how_to_ask_for_it(tmp_path: Path) -> None:
    done, existing = in_project(tmp_path, USES_IT, ini="")
    assert done.returncode == 1
    assert '[tool.pytest.ini_options] amplifybackend_dags = "dags"' in done.stdout
    assert "Traceback" not in done.stdout
    assert is_untouched(existing)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done, _ = in_project(tmp_path, USES_IT, dags=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "amplifybackend_dags: there is no folder" in done.stderr
    assert "project/dags" in done.stderr


def test_an_airflow_that_is_imported_already_is_refused(tmp_path: Path) -> None:
    done, existing = in_project(tmp_path, USES_IT, "-p", "somebody", somebody=IMPORTS_AIRFLOW)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "Airflow has been imported already, with AIRFLOW_HOME=/srv/airflow" in done.stderr
    assert "-p no:NAME" in done.stderr
    assert is_untouched(existing)


def test_a_home_that_conftest_moves_back_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    done, existing = in_project(tmp_path, USES_IT, conftest=MOVES_THE_HOME)
    assert done.returncode == 1
    assert "has been changed since a home was made for the tests" in done.stdout
    assert is_untouched(existing)


def test_a_dag_runs_with_retries_and_without_any_way_to_aws(tmp_path: Path) -> None:
    done, existing = in_project(
        tmp_path, RUNS_IT, dags__clean_up=MAPPED, dags__broken="from airflow import DAG\nimport not_installed\n"
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "2 passed" in done.stdout
    assert is_untouched(existing)


def test_a_run_that_failed_says_why_and_so_does_pytest(tmp_path: Path) -> None:
    done, _ = in_project(tmp_path, SEES_WHY, "--show-capture=no", dags__failing=FAILING)
    assert "AssertionError: assert 'failed' == 'success'" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
    shown = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    assert "tells: ValueError: the key is ***, keep it" in shown
    assert [line for line in shown if line.startswith("delete[1]: ") and "stack is in use" in line]
    assert "hushhush-1234" not in done.stdout


def test_a_run_can_be_copied_and_stored_and_its_state_recorded_in_a_worker_of_xdist(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    arguments = ("-n", "1", "--show-capture=no", f"--junit-xml={report}")
    done, _ = in_project(tmp_path, HANDS_ON, *arguments, dags__clean_up=MAPPED)
    assert "INTERNALERROR" not in done.stdout, done.stdout[-6000:]
    assert "AssertionError: assert 'failed' == 'success'" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
    assert "delete[1]: " in done.stdout
    assert '<property name="state" value="failed"' in report.read_text()
