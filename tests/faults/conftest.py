from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_amplifybackend.core import timing
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.faults.airflow_stand_in import Triggerer


@pytest.fixture(scope="module")
def triggerer() -> Iterator[Triggerer]:
    with Triggerer() as running:
        yield running


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch, service: LocalAmplifyBackend) -> Iterator[LocalAmplifyBackend]:
    """The service, with short jobs and without the delays that a real one needs."""
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__START_PATIENCE", "0.5")
    service.control.set(job_seconds=0.3)
    with timing.replaced(between_checks=0.05, before_resend=0.05, first_check=0.05, earliest_event=0.0):
        yield service
