"""The Airflow names this package uses, on every supported Airflow.

This module, and no other, knows of versions; how tests run a DAG on each is in `local/testing/dag_runs.py`.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from airflow import __version__ as airflow_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue
    from airflow.sdk.configuration import conf
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.log import mask_secret, redact  # type: ignore[attr-defined]
else:
    try:
        from airflow.providers.common.compat.sdk import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSensorTimeout,
            AirflowSkipException,
            BaseOperator,
            BaseOperatorLink,
            BaseSensorOperator,
            Context,
            PokeReturnValue,
            XCom,
            conf,
        )
    except ImportError:  # an older common-compat provider, which has no such home for these names, or not for all
        from airflow.configuration import conf
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSensorTimeout,
            AirflowSkipException,
        )

        try:
            from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, Context, PokeReturnValue
            from airflow.sdk.execution_time.xcom import XCom
        except ImportError:  # Airflow 2
            from airflow.models import BaseOperator, BaseOperatorLink, XCom
            from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
            from airflow.utils.context import Context

    try:
        from airflow.sdk.log import mask_secret, redact
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import mask_secret, redact
        except ImportError:  # Airflow 2
            from airflow.utils.log.secrets_masker import mask_secret, redact


SERIES = tuple(map(int, airflow_version.split(".")[:2]))

# The API server of Airflow 3.0 refuses an XCom that is None; that of 3.2 takes it.
XCOM_MAY_BE_NONE = not (3, 0) <= SERIES < (3, 2)

# Airflow 2 has datasets instead. There an event for an alias that no stored DAG has yet fails the task: in
# `dag.test()`, and if the task is mapped.
HAS_ASSETS = SERIES >= (3, 0)
HAS_STATE_STORE = SERIES >= (3, 3)
HAS_PLUGIN_PAGES = SERIES >= (3, 1)  # in the navigation and on a task instance
TASKS_READ_THE_DATABASE = SERIES < (3, 0)


class StateStore(Protocol):
    """Airflow's task state store, as far as it is used here: JSON, without None."""

    def get(self, key: str, default: Any = None) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


def task_state_store(context: Context) -> StateStore | None:
    """Return the task state store of this task instance, or None before Airflow 3.3."""
    store: StateStore | None = context.get("task_state_store")
    return store


def try_to_remember() -> int | None:
    """Return the number of the try that is about to be deferred, where a later try may get its event once more.

    Airflow 3.0 resumes a retry where the deferred try before it was resumed, with the same event, and never calls
    ``execute`` again (apache/airflow#56704). On other versions, return None: there is nothing to tell apart.
    """
    if not (3, 0) <= SERIES < (3, 2):
        return None
    from airflow.sdk import get_current_context

    try:
        number: int = get_current_context()["ti"].try_number
    except RuntimeError:  # outside of a task
        return None
    return number


def first_reschedule_date(context: Context) -> datetime | None:
    """Return when a sensor that is rescheduled began to wait: at the first try of its round; None if that is now."""
    ti: Any = context["ti"]
    read = getattr(ti, "get_first_reschedule_date", None)
    began: datetime | None = read(context) if read else _first_reschedule_date_of_airflow_2(ti)
    return began


def _first_reschedule_date_of_airflow_2(ti: Any) -> datetime | None:
    # A task of Airflow 2 reads the database itself; its sensors ask this of a private function.
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.session import create_session

    table: Any = TaskReschedule
    first_try = (ti.max_tries or 0) - (ti.task.retries or 0) + 1
    with create_session() as session:
        rows = session.query(table.start_date).filter_by(
            dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index
        )
        began: datetime | None = rows.filter(table.try_number >= first_try).order_by(table.id).limit(1).scalar()
        return began


def state_of_task(context: Context, task_id: str, map_index: int) -> str | None:
    """Return the state of another task of this run; None if it has none, or if there is no such task."""
    ti: Any = context["ti"]
    if hasattr(ti, "get_task_states"):
        states = ti.get_task_states(dag_id=ti.dag_id, map_index=map_index, task_ids=[task_id], run_ids=[ti.run_id])
        state = next(iter(states.get(ti.run_id, {}).values()), None)
    else:  # a task of Airflow 2 reads the database itself
        run: Any = context["dag_run"]
        other = run.get_task_instance(task_id, map_index=map_index)
        state = other.state if other else None
    return None if state is None else str(getattr(state, "value", state))


def states_of_tasks(context: Context, task_ids: Sequence[str], map_index: int) -> list[str]:
    """Return the states of tasks of this run, those that have one.

    :param map_index: That of their group, if it is mapped; below 0: all of the tasks' instances.
    """
    if not task_ids:
        return []
    ti: Any = context["ti"]
    if hasattr(ti, "get_task_states"):
        index = {} if map_index < 0 else {"map_index": map_index}
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=list(task_ids), run_ids=[ti.run_id], **index)
        states = list(found.get(ti.run_id, {}).values())
    else:  # a task of Airflow 2 reads the database itself
        run: Any = context["dag_run"]
        states = [
            one.state
            for one in run.get_task_instances()
            if one.task_id in task_ids and (map_index < 0 or one.map_index == map_index)
        ]
    return [str(getattr(state, "value", state)) for state in states if state is not None]


def count_living_runs(context: Context, dag_id: str, run_id: str | None) -> int:
    """Return how many runs of a DAG are queued or running: of one run, or of all. One that was deleted is not."""
    ti: Any = context["ti"]
    living, runs = ["queued", "running"], None if run_id is None else [run_id]
    if hasattr(ti, "get_dr_count"):
        return int(ti.get_dr_count(dag_id=dag_id, run_ids=runs, states=living))
    return _count_living_runs_of_airflow_2(dag_id, runs, living)


def _count_living_runs_of_airflow_2(dag_id: str, runs: list[str] | None, living: list[str]) -> int:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    table: Any = DagRun
    with create_session() as session:
        rows = session.query(table.id).filter(table.dag_id == dag_id, table.state.in_(living))
        return int((rows if runs is None else rows.filter(table.run_id.in_(runs))).count())


def current_run() -> tuple[str, str] | None:
    """Return the ids of the DAG and the run whose task is being executed; None outside of a task."""
    get_current_context = _first("airflow.sdk:get_current_context", "airflow.operators.python:get_current_context")
    try:
        ti = get_current_context()["ti"]
    except (RuntimeError, AirflowException):
        return None
    return ti.dag_id, ti.run_id


def task_group() -> Any:
    """Return Airflow's class of task groups."""
    return _first("airflow.sdk:TaskGroup", "airflow.utils.task_group:TaskGroup")


def human_in_the_loop(feature: str) -> Any:
    """Return the module of Airflow's operators that ask somebody.

    :param feature: What needs it, for the error.
    :raises ImportError: This Airflow is older than 3.1.
    """
    try:
        return import_module("airflow.providers.standard.operators.hitl")
    except (ImportError, AirflowException) as error:  # the provider refuses an Airflow that is too old
        raise ImportError(
            f"{feature} needs Airflow 3.1 or newer and its standard provider, which ask a person; this is Airflow "
            f"{airflow_version} ({type(error).__name__}: {error})"
        ) from error


def asset(uri: str, **more: Any) -> Any:
    """Return the asset of a URI that is normal already; the URI is its name, too.

    Airflow's constructor asks all providers for what makes a URI normal, and so loads boto3 in every task and DAG file.

    :raises ImportError: This Airflow is older than 3.0.
    """
    if not HAS_ASSETS:
        raise ImportError(f"assets need Airflow 3.0 or newer; this is Airflow {airflow_version}")
    made = _first("airflow.sdk:Asset")(name=uri, uri=uri.replace("://", "/"), **more)
    object.__setattr__(made, "uri", uri)
    return made


def asset_alias(name: str) -> Any:
    """Return an alias of assets (Airflow 3.0 and later)."""
    return _first("airflow.sdk:AssetAlias")(name)


def retry_policy_module(feature: str) -> Any:
    """Return the module of Airflow's retry policies.

    :param feature: What needs it, for the error.
    :raises ImportError: This Airflow is older than 3.3.
    """
    try:
        return import_module("airflow.sdk.definitions.retry_policy")
    except ImportError as error:
        raise ImportError(
            f"{feature} needs Airflow 3.3 or newer, which has retry policies; this is Airflow {airflow_version}"
        ) from error


def event_trigger_base() -> Any:
    """Return the base class of triggers for asset watchers; of any, where Airflow has no watchers."""
    return _first("airflow.triggers.base:BaseEventTrigger", "airflow.triggers.base:BaseTrigger")


def stream_producer_base() -> Any:
    """Return the base class of what makes a shared stream; before Airflow 3.3, which has none, any class."""
    return _first("airflow.triggers.shared_stream:SharedStreamProducer", "builtins:object")


class AssetStore(Protocol):
    """Airflow's store of an asset, as far as triggers use it: JSON, without None."""

    async def aget(self, key: str, default: Any = None) -> Any: ...
    async def aset(self, key: str, value: Any) -> None: ...


def asset_stores(trigger: Any) -> list[AssetStore]:
    """Return the stores of the assets that a trigger watches: one for each, none before Airflow 3.3.

    Airflow gives a trigger all of them in one object, which tells by no public name which assets they belong to.
    """
    accessors = getattr(trigger, "asset_state_store", None)
    if accessors is None:
        return []
    stores: list[AssetStore] = []
    for names in (getattr(accessors, "_by_name", {}), getattr(accessors, "_by_uri", {})):
        stores += [names[name] for name in sorted(names)]
    return stores or [accessors]


@lru_cache(maxsize=1)
def stats() -> Any:
    """Return Airflow's statistics, looked up when first used: importing them configures them."""
    return _first("airflow.providers.common.compat.sdk:Stats", "airflow.stats:Stats")


def object_storage_path() -> Any:
    """Return Airflow's class of paths in any storage. Importing it loads fsspec."""
    return _first("airflow.sdk:ObjectStoragePath", "airflow.io.path:ObjectStoragePath")


def open_filesystem(protocol: str, conn_id: str) -> Any:
    """Return the filesystem that a connection leads to now."""
    return _first("airflow.sdk.io:get_fs", "airflow.io:get_fs")(protocol, conn_id)


def secrets_places() -> list[Any]:
    """Return the places that Airflow asks for a connection, one after the other: those of tasks, where they differ."""
    of_tasks = "airflow.sdk.execution_time.supervisor:ensure_secrets_backend_loaded"
    return list(_first(of_tasks, "airflow.configuration:ensure_secrets_loaded")())


def notifier_base() -> Any:
    """Return the base class of notifiers."""
    return _first("airflow.sdk.bases.notifier:BaseNotifier", "airflow.notifications.basenotifier:BaseNotifier")


def operator_partial() -> Any:
    """Return the class of what ``partial(...)`` of an operator returns."""
    return _first(
        "airflow.sdk.definitions.mappedoperator:OperatorPartial", "airflow.models.mappedoperator:OperatorPartial"
    )


# For the fixtures of local/pytest_plugin.py and for this package's own tests. Imported when used: they are heavy.
def load_dags(path: str) -> Any:
    """Return the DagBag of a file or folder."""
    return _first("airflow.dag_processing.dagbag:DagBag", "airflow.models.dagbag:DagBag")(path)


def listener_manager() -> Any:
    """Return whom the tasks of this process tell how they ended."""
    return _first("airflow.sdk.listener:get_listener_manager", "airflow.listeners.listener:get_listener_manager")()


def xcom_model() -> Any:
    """Return the database model of XComs."""
    return _first("airflow.models.xcom:XComModel", "airflow.models.xcom:XCom")


def plugin_base() -> Any:
    """Return the base class of plugins."""
    return _first("airflow.sdk.plugins_manager:AirflowPlugin", "airflow.plugins_manager:AirflowPlugin")


def _first(*places: str) -> Any:
    """Return the first of these names (`module:name`) that this Airflow has, the newest place first."""
    for place in places:
        module, _, name = place.partition(":")
        with suppress(ImportError, AttributeError):
            return getattr(import_module(module), name)
    raise ImportError(f"Airflow {airflow_version} has none of {', '.join(places)}")


__all__ = [
    "HAS_ASSETS",
    "HAS_PLUGIN_PAGES",
    "HAS_STATE_STORE",
    "SERIES",
    "TASKS_READ_THE_DATABASE",
    "XCOM_MAY_BE_NONE",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AssetStore",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "Context",
    "PokeReturnValue",
    "StateStore",
    "XCom",
    "airflow_version",
    "asset",
    "asset_alias",
    "asset_stores",
    "conf",
    "count_living_runs",
    "current_run",
    "event_trigger_base",
    "first_reschedule_date",
    "human_in_the_loop",
    "listener_manager",
    "load_dags",
    "mask_secret",
    "notifier_base",
    "object_storage_path",
    "operator_partial",
    "plugin_base",
    "redact",
    "retry_policy_module",
    "secrets_places",
    "state_of_task",
    "states_of_tasks",
    "stats",
    "stream_producer_base",
    "task_group",
    "task_state_store",
    "xcom_model",
]
