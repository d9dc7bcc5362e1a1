"""Airflow's own database, asked from outside of a task: whether a run still lives, and whether a triggerer does.

And the other places where connections are, of which one that cannot be read is like one that is empty for Airflow.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.hooks._secrets_places import Unread, ask_places

_LIVING = ("queued", "running")


def count_living_runs(dag_id: str, run_id: str | None) -> int | None:
    """Return how many runs of a DAG are queued or running; None if this database cannot tell.

    A command can run beside another database than that of the deployment, where no run is known. So a run that is not
    there is not one that has ended, as it would be for a task.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    table: Any = DagRun
    try:
        with create_session() as session:
            rows = session.query(table.state).filter(table.dag_id == dag_id)
            states = [str(state) for (state,) in (rows if run_id is None else rows.filter(table.run_id == run_id))]
    except Exception:  # noqa: BLE001  # whatever it is, the database does not tell
        return None
    return sum(state in _LIVING for state in states) if states else None


def has_triggerer() -> bool | None:
    """Tell whether a triggerer has been heard of lately; None if there is no database that could tell.

    It is what ``airflow jobs check --job-type TriggererJob`` asks.
    """
    from airflow.jobs.job import most_recent_job
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            job: Any = most_recent_job("TriggererJob", session=session)
            return bool(job and job.is_alive())
    except Exception:  # noqa: BLE001  # as above
        return None


def unread_places(conn_id: str) -> list[Unread]:
    """Return the places where a connection could not be looked up, and why.

    Airflow itself asks the next place, and in the end there is no such connection.
    """
    from airflow.configuration import ensure_secrets_loaded

    return ask_places(conn_id, ensure_secrets_loaded()).unread
