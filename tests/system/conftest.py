"""The two Airflows that the short system suites share; each starts with the first test that asks for it.

Two, because those of one kill what the others need. `make test-engines-short` runs all that share one in one process.
The hunt for secrets has a third: it ends its Airflow to read all that this has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.system.guard_tally import TALLY
from tests.system.quiet import Quiet
from tests.system.struck import Struck, struck_airflow


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    with LocalAmplifyBackend() as service, ExitStack() as until_end:
        yield Quiet(tmp_path_factory.mktemp("quiet"), service, until_end)


@pytest.fixture(scope="session")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    with struck_airflow(tmp_path_factory.mktemp("struck"), "crash", "lease") as shared:
        yield shared


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.roads:
        terminalreporter.write_line(TALLY.line)
