"""One isolated Airflow for the whole test session: its home, its database and its AWS are made here and end with it.

This module runs before anything imports Airflow, which reads its settings once.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

# By name and not through the entry point: these tests also run from a checkout that is not installed.
from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.pytest_plugin import (  # noqa: F401
    local_amplifybackend,
    local_amplifybackend_server,
)
from airflow_provider_amplifybackend.local.testing.isolated_airflow import (
    connection_json,
    isolate_airflow,
    leave_aws,
    migrate,
)
from tests.airflow_versions import forget_masked_texts, forget_task_session, log_to
from tests.dag_run import DagRunner
from tests.samples import APP

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

REGION = "us-east-1"
# A busy machine is no fault of an example.
hypothesis.settings.register_profile("without deadlines", deadline=None)
hypothesis.settings.load_profile("without deadlines")
# Every job operator returns these, whatever it did and wherever it waited.
RESULT_KEYS = {
    "AppId",
    "BackendEnvironmentName",
    "JobId",
    "Operation",
    "Status",
    "Error",
    "CreateTime",
    "UpdateTime",
    "created_at",
    "updated_at",
    "outcome",
}
# What they log at DEBUG costs more than the tests; the tests of secrets hear them all the same.
WORDY_LOGGERS = ("botocore", "aiobotocore", "urllib3", "sqlalchemy", "aiosqlite", "asyncio")


def _isolate() -> Path:
    """Cut this process off from the developer's own Airflow and AWS, and return the home of the session's Airflow."""
    # scripts/mutants.py forks its tests from a process that has imported Airflow already, in a home made for that.
    warmed = os.environ.get("MUTANTS_AIRFLOW_HOME")
    home = Path(warmed) if warmed else isolate_airflow()
    leave_aws(home)
    # Airflow 2 warns at every start of this default of its own.
    os.environ["AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY"] = "True"
    return home


AIRFLOW_HOME = _isolate()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `quick` what needs neither the local service nor Airflow's database."""
    slow = {"airflow_home", "local_amplifybackend_server", "raw"}
    for item in items:
        if isinstance(item, pytest.Function) and slow.isdisjoint(item.fixturenames):
            item.add_marker("quick")


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what is loaded by now: all of Airflow, a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The session's AIRFLOW_HOME, with a migrated database and an empty `dags` folder."""
    migrate(AIRFLOW_HOME)
    return AIRFLOW_HOME


@pytest.fixture(scope="session")
def aws_default(local_amplifybackend_server: LocalAmplifyBackend) -> Iterator[str]:  # noqa: F811
    """The connection `aws_default` leads to the session's local service; the value is its endpoint."""
    endpoint_url = local_amplifybackend_server.endpoint_url
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection_json(endpoint_url)
    yield endpoint_url
    del os.environ["AIRFLOW_CONN_AWS_DEFAULT"]


@pytest.fixture
def service(aws_default: str, local_amplifybackend: LocalAmplifyBackend) -> LocalAmplifyBackend:  # noqa: F811
    """The local service behind `aws_default`: one app with an environment `staging`, and jobs that take a moment."""
    local_amplifybackend.control.set(job_seconds=0.1)
    local_amplifybackend.control.seed_app(APP, "staging", app_name="shop")
    return local_amplifybackend


@pytest.fixture(scope="session")
def _dag_runner(airflow_home: Path) -> DagRunner:
    log_file = airflow_home / "tests.jsonl"
    log = log_file.open("wb", buffering=0)  # stays open: Airflow logs until the process has ended
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_to(log)
    for name in WORDY_LOGGERS:
        logging.getLogger(name).setLevel("INFO")
    return DagRunner(airflow_home, log_file)


@pytest.fixture
def pace() -> Iterator[Callable[..., None]]:
    """Changes the delays of a test: ``pace(first_check=0.05)``."""
    with contextlib.ExitStack() as changed:

        def change(**delays: Any) -> None:
            changed.enter_context(timing.replaced(**delays))

        yield change


@pytest.fixture
def dags(_dag_runner: DagRunner, service: LocalAmplifyBackend, pace: Callable[..., None]) -> Iterator[DagRunner]:
    """Runs DAGs through real Airflow against the local service, without the delay that real triggerers need."""
    pace(earliest_event=0.0)
    forget_masked_texts()
    forget_task_session()
    yield _dag_runner
    _dag_runner.forget()


@pytest.fixture
def everything_is_logged(dags: DagRunner) -> Iterator[None]:
    """The clients log at DEBUG too: every request with its body, and every answer."""
    for name in WORDY_LOGGERS:
        logging.getLogger(name).setLevel("DEBUG")
    yield
    for name in WORDY_LOGGERS:
        logging.getLogger(name).setLevel("INFO")


@pytest.fixture
def result_keys() -> set[str]:
    """The keys of what every job operator and the job sensor return."""
    return set(RESULT_KEYS)
