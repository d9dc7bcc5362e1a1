"""The expectation that a start fails for one reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_amplifybackend.core.start_failure import StartFailure
from airflow_provider_amplifybackend.exceptions import BackendStartError


@contextmanager
def not_started(reason: StartFailure, match: str | None = None) -> Iterator[None]:
    """Expect a BackendStartError with this reason; ``match`` is for the names that its message must hold."""
    with pytest.raises(BackendStartError, match=match) as error:
        yield
    assert error.value.reason is reason
