"""pytest fixtures with a local AmplifyBackend: `local_amplifybackend` is a running service with nothing in it.

`local_airflow` runs DAGs against it, in an Airflow whose home is made before anything imports Airflow: only where the
ini option `amplifybackend_dags` asks for it. pytest imports this module wherever the package is installed: it must cost
nothing until it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
    from airflow_provider_amplifybackend.local.testing.isolated_airflow import LocalAirflow

DAGS_OPTION = "amplifybackend_dags"
_home = pytest.StashKey[Path]()
_airflow = pytest.StashKey["LocalAirflow"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        DAGS_OPTION,
        "the folder with your DAGs, from the folder of this file: makes an AIRFLOW_HOME for the tests, before anything "
        "imports Airflow, for the fixture local_airflow",
        default="",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Make the home of the tests' Airflow, where asked for. A conftest.py could have imported Airflow already."""
    if not early_config.getini(DAGS_OPTION):
        return
    from airflow_provider_amplifybackend.local.testing.isolated_airflow import (
        AirflowIsNotIsolatedError,
        isolate_airflow,
    )

    dags = _dags_folder(early_config)
    if not dags.is_dir():
        raise pytest.UsageError(f"{DAGS_OPTION}: there is no folder {dags}")
    try:
        early_config.stash[_home] = isolate_airflow(dags)
    except AirflowIsNotIsolatedError as error:
        raise pytest.UsageError(
            f"{DAGS_OPTION}: {error}. A plugin of pytest imported it (-p no:NAME leaves one out), or the program that "
            "called pytest: run pytest in a process of its own"
        ) from None


def _dags_folder(config: pytest.Config) -> Path:
    beside = config.inipath.parent if config.inipath else config.rootpath
    return (beside / str(config.getini(DAGS_OPTION))).resolve()


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Say why a DAG run has failed where a test expected another state."""
    airflow = config.stash.get(_airflow, None)
    reasons = (airflow.reasons(left) or airflow.reasons(right)) if airflow else None
    return [f"{left!r} {op} {right!r}", *reasons] if reasons else None


@pytest.fixture(scope="session")
def local_amplifybackend_server() -> Iterator[LocalAmplifyBackend]:
    """One local AmplifyBackend for the whole test session; its state stays from test to test."""
    try:
        from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("airflow_provider_amplifybackend"):
            raise
        pytest.fail(
            f'The local AmplifyBackend needs {missing.name}: pip install "airflow-provider-amplifybackend[local]"',
            pytrace=False,
        )
    with LocalAmplifyBackend() as service:
        yield service


@pytest.fixture
def local_amplifybackend(local_amplifybackend_server: LocalAmplifyBackend) -> LocalAmplifyBackend:
    """The session's local AmplifyBackend, empty: no apps, jobs, faults or journal, settings as at its start."""
    local_amplifybackend_server.control.reset()
    return local_amplifybackend_server


@pytest.fixture(scope="session")
def _migrated_home(pytestconfig: pytest.Config) -> Path:
    home = pytestconfig.stash.get(_home, None)
    if home is None:
        pytest.fail(
            "local_airflow needs an Airflow of its own, whose home must be set before anything imports Airflow. "
            f'Name your folder of DAGs in pyproject.toml: [tool.pytest.ini_options] {DAGS_OPTION} = "dags" '
            "(in pytest.ini without the quotes)",
            pytrace=False,
        )
    from airflow_provider_amplifybackend.local.testing.isolated_airflow import AirflowIsNotIsolatedError, migrate

    try:
        migrate(home)
    except AirflowIsNotIsolatedError as error:
        pytest.fail(str(error), pytrace=False)
    return home


@pytest.fixture
def local_airflow(
    pytestconfig: pytest.Config,
    _migrated_home: Path,
    local_amplifybackend: LocalAmplifyBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[LocalAirflow]:
    """An Airflow of the tests' own that runs your DAGs; AmplifyBackend is `local_amplifybackend`, for any connection.

    The connection `aws_default` leads there with everything else, too. Nothing finds the way to real credentials.
    """
    from airflow_provider_amplifybackend.core import timing
    from airflow_provider_amplifybackend.local.testing import isolated_airflow

    endpoint_url = local_amplifybackend.endpoint_url
    for name in isolated_airflow.environment_names("AWS_", "BOTO"):
        monkeypatch.delenv(name)
    for name, value in isolated_airflow.aws_variables(_migrated_home).items():
        monkeypatch.setenv(name, value)
    to_service = local_amplifybackend.endpoint_variables | isolated_airflow.service_variables(endpoint_url)
    for name, value in to_service.items():
        monkeypatch.setenv(name, value)
    local_amplifybackend.control.set(job_seconds=0.2)
    # A real triggerer needs a pause before an event; dag.test() has none.
    with timing.replaced(earliest_event=0.0):
        airflow = isolated_airflow.LocalAirflow(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]))
        pytestconfig.stash[_airflow] = airflow
        yield airflow
