"""Reads of Airflow's own database, for the pages, within the limits of what their user may read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend._compat import xcom_model
from airflow_provider_amplifybackend.core.encodable import encodable, encodable_text
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.fleet.stored import XCOM_KEY
from airflow_provider_amplifybackend.links import AmplifyConsoleLink
from airflow_provider_amplifybackend.plugins._airflow import (
    dag_details,
    dag_entities,
    database_session,
    state_store_model,
)
from airflow_provider_amplifybackend.plugins._job_facts import NOTE_KEYS, OTHERS_KEYS, RESULT_KEY, TaskState
from airflow_provider_amplifybackend.start.intent import STORE_KEY

# Of the rendered fields, those that are shown.
NAMES = ("app_id", "backend_environment_name", "target_environment_name", "job_id")
MOST_EARLIER = 20
MOST_INSTANCES = 1000
# Tasks that read an inventory, and the newest links that are looked at.
MOST_INVENTORIES = 200
MOST_TOUCHES = 5000
READING_OPERATORS = [f"{name}Operator" for name, known in OPERATIONS.items() if known.only_reads]


@dataclass(frozen=True)
class TaskKey:
    """The identity of a task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    @classmethod
    def of(cls, dag_id: str, run_id: str, task_id: str, map_index: str) -> TaskKey:
        """Return the key that an address names.

        :param map_index: Where the task is not mapped, anything that is no index: Airflow leaves its placeholder.
        """
        # PostgreSQL takes no NUL and no larger number.
        index = int(map_index) if re.fullmatch("[0-9]{1,9}", map_index) else -1
        return cls(dag_id, encodable_text(run_id), encodable_text(task_id), index)

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

    def with_access(self, dag_ids: Iterable[str], *parts: str) -> set[str]:
        """Return those of some DAGs of which the user may read these parts."""
        dags = {
            details.id: [{"method": "GET", "access_entity": part, "details": details} for part in dag_entities(*parts)]
            for details in dag_details(set(dag_ids))
        }
        # An auth manager may ask over the network. Who sees a DAG can mostly read all of it: one question then.
        if self._may_read([request for requests in dags.values() for request in requests]):
            return set(dags)
        return {dag_id for dag_id, requests in dags.items() if self._may_read(requests)}

    def _may_read(self, requests: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether the user may do everything that is asked for."""
        return bool(self.manager.batch_is_authorized_dag(requests, user=self.user))


def inventories(readable: Readable) -> Iterator[tuple[TaskKey, Any, Any]]:
    """Yield what the last run of each inventory has left for the page, the newest first, and how it was rendered."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from sqlalchemy import and_, func, select

    table, fields = xcom_model(), RenderedTaskInstanceFields
    task = (table.dag_id, table.task_id, table.map_index)
    wanted = (table.key == XCOM_KEY, table.dag_id.in_(readable.dag_ids))
    newest = select(*task, func.max(table.timestamp).label("at")).where(*wanted).group_by(*task).subquery()
    last = and_(*(column == newest.c[column.key] for column in task), table.timestamp == newest.c.at)
    query = select(*task, table.run_id, table.value, fields.rendered_fields).join(newest, last)
    query = query.outerjoin(fields, _is_same_task_instance(table, fields)).where(*wanted)
    with database_session() as session:
        rows = session.execute(query.order_by(table.timestamp.desc()).limit(MOST_INVENTORIES)).all()
    allowed = readable.with_access((row.dag_id for row in rows), "XCOM")
    for row in rows:
        if row.dag_id in allowed:
            key = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
            yield key, stored_value(row.value), row.rendered_fields


def _is_same_task_instance(one: Any, other: Any) -> Any:
    from sqlalchemy import and_

    return and_(*(getattr(one, name) == getattr(other, name) for name in TaskKey.__dataclass_fields__))


def last_touches(readable: Readable) -> dict[str, Touch]:
    """Return the last task that worked on each environment, by its address in the Amplify console.

    Every task of this package stores that address; those that only read are left out.
    """
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import func, select

    xcom, ti = xcom_model(), TaskInstance
    same = _is_same_task_instance(xcom, ti)
    columns = (
        xcom.dag_id,
        xcom.run_id,
        xcom.task_id,
        xcom.map_index,
        xcom.value,
        xcom.timestamp,
        ti.state,
    )
    # Those that only read run often; left out afterwards, they would leave no room for the others.
    query = (
        select(*columns)
        .join(ti, same)
        .where(
            xcom.key == AmplifyConsoleLink.key,
            xcom.dag_id.in_(readable.dag_ids),
            func.coalesce(ti.operator, "").not_in(READING_OPERATORS),
            func.coalesce(ti.operator, "").not_like("%Sensor"),
        )
    )
    with database_session() as session:
        rows = session.execute(query.order_by(xcom.timestamp.desc()).limit(MOST_TOUCHES)).all()
    allowed = readable.with_access((row.dag_id for row in rows), "TASK_INSTANCE", "XCOM")
    touches: dict[str, Touch] = {}
    for row in rows:
        address = stored_value(row.value)
        if row.dag_id in allowed and isinstance(address, str) and address:
            key = TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)
            touches.setdefault(address, Touch(key, row.timestamp, str(row.state or "no state")))
    return touches


@dataclass(frozen=True)
class Instance:
    """One instance of a mapped task."""

    map_index: int
    label: str
    state: str


def left_by(key: TaskKey) -> tuple[TaskState, dict[str, Any], Any, list[Any]] | None:
    """Return everything that a task instance has left: its state, XComs, stored start, and what earlier ones returned.

    None if there is no such task instance.
    """
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    xcom = xcom_model()
    with database_session() as session:
        ti = session.scalar(_of(select(TaskInstance), TaskInstance, key))
        if ti is None:
            return None
        stored = _stored_start(session, key)
        xcoms = session.execute(_of(select(xcom.key, xcom.value), xcom, key).where(xcom.key.in_(NOTE_KEYS))).all()
        results: list[Any] = []
        # What a task of another package returns can be of any size, and is none of the tab's business.
        if xcoms or stored is not None:
            xcoms += session.execute(
                _of(select(xcom.key, xcom.value), xcom, key).where(xcom.key.in_(OTHERS_KEYS))
            ).all()
            same_task = (xcom.dag_id == key.dag_id, xcom.task_id == key.task_id, xcom.key == RESULT_KEY)
            earlier = select(xcom.value).where(*same_task).order_by(xcom.timestamp.desc()).limit(MOST_EARLIER)
            results = [stored_value(value) for value in session.scalars(earlier)]
        state = TaskState(
            state=str(ti.state or ""),
            operator=ti.operator or "",
            try_number=ti.try_number or 0,
            is_resumed=bool(ti.next_method) and ti.state in ("queued", "scheduled", "deferred"),
            rendered=_rendered(session, key),
        )
        return state, {row.key: stored_value(row.value) for row in xcoms}, stored, results


def instances_of(key: TaskKey) -> tuple[list[Instance], dict[str, int]]:
    """Return the first instances of a mapped task, and how many there are in each state."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import func, select

    ti: Any = TaskInstance
    mapped = (ti.dag_id == key.dag_id, ti.run_id == key.run_id, ti.task_id == key.task_id, ti.map_index >= 0)
    rows = select(ti.map_index, ti.rendered_map_index, ti.state).where(*mapped).order_by(ti.map_index)
    counts = select(ti.state, func.count()).where(*mapped).group_by(ti.state)
    with database_session() as session:
        found = session.execute(rows.limit(MOST_INSTANCES)).all()
        by_state = session.execute(counts).all()
    instances = [Instance(index, label or str(index), str(state or "")) for index, label, state in found]
    return instances, {str(state or ""): count for state, count in by_state}


def _of(query: Any, table: Any, key: TaskKey) -> Any:
    return query.where(*(getattr(table, name) == value for name, value in asdict(key).items()))


def _rendered(session: Any, key: TaskKey) -> dict[str, Any]:
    """Return the names among the rendered fields of a task instance, which Airflow keeps for its last runs."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from sqlalchemy import select

    fields = session.scalar(_of(select(RenderedTaskInstanceFields.rendered_fields), RenderedTaskInstanceFields, key))
    return {name: value for name, value in (fields or {}).items() if name in NAMES and isinstance(value, str)}


def _stored_start(session: Any, key: TaskKey) -> Any:
    """Return what the task state store has of a start; None before Airflow 3.3, which has none."""
    table = state_store_model()
    if table is None:
        return None
    from sqlalchemy import select

    return stored_value(session.scalar(_of(select(table.value), table, key).where(table.key == STORE_KEY)))


def stored_value(value: Any) -> Any:
    """Return the value of an XCom as the database has it; what another back end has put there stays a text.

    Whoever writes a DAG can store what no page can show, such as NaN or half a surrogate pair.
    """
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return encodable(value)
