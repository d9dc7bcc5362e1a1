"""Command lines in this process, and as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.cli.main import main
from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests.own_database import own_database

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    output: str
    errors: str


Run = Callable[..., Ended]


def marks(ended: Ended) -> dict[str, str]:
    """Return the mark of each thing that `doctor --output json` tells about."""
    return {one["what"]: one["mark"] for one in json.loads(ended.output)}


def texts(ended: Ended) -> dict[str, str]:
    """Return what it tells about each of them."""
    return {one["what"]: one["text"] for one in json.loads(ended.output)}


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], airflow_home: Path) -> Run:
    """Runs `airflow-amplifybackend` in this process, which has Airflow loaded."""
    # It keeps what the settings were when it was imported: that must not be what the first test has made of them.
    import airflow_provider_amplifybackend.guard.settings  # noqa: F401

    def run_here(*arguments: str) -> Ended:
        capfd.readouterr()  # what fixtures have logged
        with pytest.raises(SystemExit) as end, timing.replaced(sleep=lambda seconds: time.sleep(min(seconds, 0.1))):
            main(arguments)
        told = capfd.readouterr()
        if isinstance(end.value.code, str):
            return Ended(1, told.out, f"{told.err}{end.value.code}")
        return Ended(end.value.code or 0, told.out, told.err)

    return run_here


@pytest.fixture
def start_process(airflow_home: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command as a process of its own, as a person does, who may redirect its output."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str, redirection: str = "", **variables: str) -> subprocess.Popen[str]:
        database = own_database(airflow_home, tmp_path)
        process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", *command],
            env={**os.environ, "PYTHONPATH": str(ROOT), **database, **variables},
            cwd=airflow_home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell starts what runs in its background with Ctrl-C ignored, and whoever runs these tests may be there.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:  # which a test that fails has not ended
        process.kill()
        process.communicate()


@pytest.fixture
def run_process(start_process: Callable[..., subprocess.Popen[str]]) -> Run:
    """Runs a command as a process of its own, to its end."""

    def run_there(*command: str, **options: str) -> Ended:
        process = start_process(*command, **options)
        output, errors = process.communicate(timeout=300)
        return Ended(process.returncode, output, errors)

    return run_there


@pytest.fixture(scope="module")
def with_moto() -> Iterator[LocalAmplifyBackend]:
    """A local service that has STS and S3, too."""
    pytest.importorskip("moto")
    pytest.importorskip("a2wsgi")
    pytest.importorskip("openapi_spec_validator")
    with LocalAmplifyBackend(with_moto=True, job_seconds=0.1) as service:
        yield service


@pytest.fixture
def aws(with_moto: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch) -> LocalAmplifyBackend:
    """The same, empty, behind the connection `aws_default`."""
    with_moto.control.reset()
    with_moto.control.set(job_seconds=0.1)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_json(with_moto.endpoint_url))
    return with_moto
