from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
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


@pytest.fixture
def files(airflow_home: Path) -> Iterator[Callable[[str, Any], None]]:
    """Writes files beside the DAG files."""
    written: list[Path] = []

    def write(name: str, content: Any) -> None:
        path = airflow_home / "dags" / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, dict):
            content = json.dumps(content, indent=2)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        written.append(path)

    yield write
    for path in written:
        path.unlink()
