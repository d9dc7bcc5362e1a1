"""The files of an inventory: JSON lines, CSV and a page, in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendStorageError
from airflow_provider_amplifybackend.fleet.report import page
from airflow_provider_amplifybackend.fleet.tables import csv_text, json_lines
from airflow_provider_amplifybackend.hooks._records import StorageError, StoredFile

# The name of each file in the folder, by what it holds.
FILES = {"json_lines": "environments.jsonl", "csv": "environments.csv", "report": "report.html"}


def write_inventory(
    folder: Any, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], *, aws_conn_id: str | None
) -> dict[str, str]:
    """Write an inventory, and return the address of each file.

    :raises BackendStorageError: One of them cannot be written.
    """
    contents = {"json_lines": json_lines(rows), "csv": csv_text(rows), "report": page(rows, facts)}
    files = {kind: StoredFile(folder, name, aws_conn_id=aws_conn_id) for kind, name in FILES.items()}
    for kind, file in files.items():
        try:
            file.write_bytes(contents[kind].encode(errors="replace"))
        except StorageError as error:
            raise BackendStorageError(f"{file} cannot be written: {error}") from error
    return {kind: str(file) for kind, file in files.items()}
