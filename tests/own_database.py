"""A copy of the tests' database, for a process that a test starts."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def own_database(airflow_home: Path, folder: Path) -> dict[str, str]:
    """Copy the database into a folder, and return the setting that leads a process there.

    SQLite takes a second process for the last one where the first has lost its locks, removes the files that it shares
    with it, and some later read of the first one is a "disk I/O error".
    """
    own = folder / "airflow.db"
    with (
        contextlib.closing(sqlite3.connect(airflow_home / "airflow.db")) as shared,
        contextlib.closing(sqlite3.connect(own)) as copy,
    ):
        shared.backup(copy)
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{own}"}
