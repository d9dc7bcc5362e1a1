"""Reads of Airflow's own database, for the pages, within the limits of what their user may read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend._compat import xcom_model
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.fleet.stored import XCOM_KEY
from airflow_provider_amplifybackend.links import AmplifyConsoleLink
from airflow_provider_amplifybackend.plugins._airflow import dag_details, database_session

# The newest XComs of a kind that are looked at.
MOST_INVENTORIES = 50
MOST_TOUCHES = 5000


@dataclass(frozen=True)
class TaskKey:
    """The identity of a task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    @property
    def task(self) -> tuple[str, str, int]:
        """Return what is the same in every run."""
        return self.dag_id, self.task_id, self.map_index


@dataclass(frozen=True)
class Touch:
    """The last task that worked on an environment."""

    key: TaskKey
    at: datetime
    state: str


@dataclass(frozen=True)
class Readable:
    """The DAGs that a user may read in Airflow."""

    manager: Any
    user: Any
    dag_ids: frozenset[str]

    @classmethod
    def of(cls, manager: Any, user: Any) -> Readable:
        """Ask Airflow's auth manager."""
        return cls(manager, user, frozenset(manager.get_authorized_dag_ids(user=user, method="GET")))

    def has_xcoms_of(self, dag_id: str) -> bool:
        """Tell whether the user may read the XComs of a DAG."""
        entity, details = dag_details(dag_id, "XCOM")
        return bool(self.manager.is_authorized_dag(method="GET", access_entity=entity, details=details, user=self.user))


def inventories(readable: Readable) -> Iterator[tuple[TaskKey, Any]]:
    """Yield what inventories have left for the page, the newest first."""
    from sqlalchemy import select

    table = xcom_model()
    columns = (table.dag_id, table.run_id, table.task_id, table.map_index, table.value)
    query = select(*columns).where(table.key == XCOM_KEY, table.dag_id.in_(readable.dag_ids))
    with database_session() as session:
        rows = session.execute(query.order_by(table.timestamp.desc()).limit(MOST_INVENTORIES)).all()
    allowed = {dag_id: readable.has_xcoms_of(dag_id) for dag_id in {row.dag_id for row in rows}}
    for row in rows:
        if allowed[row.dag_id]:
            yield TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index), stored_value(row.value)


def last_touches(dag_ids: frozenset[str]) -> dict[str, Touch]:
    """Return the last task that worked on each environment, by its address in the Amplify console.

    Every task of this package stores that address; those that only read are left out.
    """
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import and_, select

    xcom, ti = xcom_model(), TaskInstance
    same = and_(*(getattr(xcom, name) == getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")))
    columns = (
        xcom.dag_id,
        xcom.run_id,
        xcom.task_id,
        xcom.map_index,
        xcom.value,
        xcom.timestamp,
        ti.state,
        ti.operator,
    )
    query = select(*columns).join(ti, same).where(xcom.key == AmplifyConsoleLink.key, xcom.dag_id.in_(dag_ids))
    touches: dict[str, Touch] = {}
    with database_session() as session:
        for row in session.execute(query.order_by(xcom.timestamp.desc()).limit(MOST_TOUCHES)):
            address = stored_value(row.value)
            if isinstance(address, str) and address and not _only_reads(row.operator):
                key = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
                touches.setdefault(address, Touch(key, row.timestamp, str(row.state or "no state")))
    return touches


def _only_reads(operator: str | None) -> bool:
    known = OPERATIONS.get((operator or "").removesuffix("Operator"))
    return known is not None and known.only_reads


def stored_value(value: Any) -> Any:
    """Return the value of an XCom as the database has it; what another back end has put there stays a text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
