"""pytest fixtures with a local AmplifyBackend: `local_amplifybackend` is a running service with nothing in it.

pytest imports this module wherever the package is installed: it must cost nothing until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend


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
