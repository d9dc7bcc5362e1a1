from __future__ import annotations

from typing import Any

import pytest

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


@pytest.fixture
def result_keys() -> set[str]:
    return set(RESULT_KEYS)


@pytest.fixture
def starts(service: Any) -> Any:
    """The job starts that the service accepted, as `Operation environment`."""

    def read() -> list[str]:
        return [
            f"{entry['operation']} {request.get('TargetEnvironmentName') or request['BackendEnvironmentName']}"
            for entry in service.control.journal(effective=True)
            if entry["job_id"] and entry["operation"] != "GetBackendJob"
            for request in [entry["parameters"]]
        ]

    return read
