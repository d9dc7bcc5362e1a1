"""The asset events that a DAG run has left in Airflow's database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.dag_run import Finished


@dataclass(frozen=True)
class Emitted:
    """An asset event of a task, as Airflow has stored it."""

    uri: str
    task: str
    map_index: int
    extra: dict[str, Any]


def emitted(run: Finished) -> list[Emitted]:
    """The events of a run's tasks, in their order."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(AssetEvent).filter_by(source_run_id=run.run_id, source_dag_id=run.dag_id)
        return [
            Emitted(row.asset.uri, str(row.source_task_id), int(row.source_map_index or 0), dict(row.extra))
            for row in rows.order_by(AssetEvent.id)
        ]
