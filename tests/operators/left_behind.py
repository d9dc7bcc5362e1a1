"""What DAG runs under dag.test() have left behind: every column of the database, and the log of every task."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.dag_run import Finished
from tests.system.secret_sinks import Database, Piece

# Airflow's in-process supervisor, which only dag.test() has, logs the messages that ask it for something.
SUPERVISOR = ("Sending request", "Received message from task runner")


def pieces(*runs: Finished) -> Iterator[Piece]:
    """Yield everything that the runs have left."""
    from airflow.configuration import conf

    database = Database(conf.get("database", "sql_alchemy_conn"), conf.get("core", "fernet_key"))
    yield from database.pieces()
    database.close()
    for run in runs:
        for line in run.log_lines:
            if line["task"] and not str(line["event"]).startswith(SUPERVISOR):
                yield Piece("log", line["task"], json.dumps(line, default=str).encode())
