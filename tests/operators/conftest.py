from __future__ import annotations

from typing import Any

import pytest


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
