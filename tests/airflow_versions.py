"""What these tests need of Airflow and what its versions have in different places: no other test module knows of
versions, and `_compat.py` has what the package needs too.

Everything of Airflow is imported when it is first needed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, BinaryIO

# Read without an import of Airflow, because this module is imported before tests/conftest.py sets AIRFLOW_HOME.
AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])

# A triggerer's client shows a proxy its password with each request for a plain `http` address. Older ones do so with
# the first request of a connection only (aio-libs/aiohttp#2596).
SHOWS_PROXY_PASSWORDS = tuple(int(part) for part in version("aiohttp").split(".")[:3]) >= (3, 13, 3)

# A connection of a variable whose extra is no JSON object is none at all for these.
MAKES_DAMAGED_CONNECTIONS = not (3, 0) <= AIRFLOW < (3, 2)

# The first lines of every DAG file that tests write.
DAG_IMPORTS = """\
try:
    from airflow.sdk import DAG, Variable, XComArg, dag, setup, task, task_group, teardown
except ImportError:  # Airflow 2
    from airflow import DAG, XComArg
    from airflow.decorators import dag, setup, task, task_group, teardown
    from airflow.models import Variable
try:
    from airflow.sdk import literal
except ImportError:
    try:
        from airflow.sdk.definitions.template import literal  # Airflow 3.0
    except ImportError:
        from airflow.utils.template import literal  # Airflow 2
"""


def dag_serialization() -> Any:
    """The class that stores DAGs in the database and reads them back: `to_dict`, `from_dict`."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization
    except ImportError:  # before 3.2
        from airflow.serialization import serialized_objects

        return vars(serialized_objects)["SerializedDAG"]
    return DagSerialization


def execute(operator: Any, context: Mapping[str, Any]) -> Any:
    """Call `execute` as Airflow's task runner does; nobody else may."""
    if AIRFLOW >= (3, 0):
        from airflow.sdk.bases.operator import ExecutorSafeguard

        permit = ExecutorSafeguard.sentinel_value
    else:
        permit = importlib.import_module("airflow.models.baseoperator")._sentinel
    return operator.execute(context, **{f"{type(operator).__name__}__sentinel": permit})


def outlet_events() -> Any:
    """The context's `outlet_events`, as a task of this Airflow has them."""
    module = "airflow.sdk.execution_time.context" if AIRFLOW >= (3, 0) else "airflow.utils.context"
    return importlib.import_module(module).OutletEventAccessors()


def events_of(accessors: Any) -> list[dict[str, Any]]:
    """The extras of the events that were emitted for aliases."""
    return [dict(event.extra) for accessor in accessors.values() for event in accessor.asset_alias_events]


def store_dag(dag: Any) -> None:
    """Store a loaded DAG in the database, as a scheduler does it, where `dag.test()` does not."""
    if AIRFLOW > (3, 0):
        return
    model: Any = importlib.import_module("airflow.models.serialized_dag").SerializedDagModel
    if AIRFLOW < (3, 0):
        dag.sync_to_db()
        model.write_dag(dag)
    else:
        bundle = "dags-folder"
        _store_bundle(bundle)
        serialized: Any = importlib.import_module("airflow.serialization.serialized_objects").SerializedDAG
        serialized.bulk_write_to_db(bundle, None, [serialized.deserialize_dag(serialized.serialize_dag(dag))])
        model.write_dag(dag, bundle_name=bundle)


def _store_bundle(name: str) -> None:
    bundles: Any = importlib.import_module("airflow.models.dagbundle")
    with importlib.import_module("airflow.utils.session").create_session() as session:
        session.merge(bundles.DagBundleModel(name=name))


def map_label(task_instance: Any) -> str | None:
    """The stored label of a mapped task; None if it has none of its own."""
    column = "_rendered_map_index" if AIRFLOW >= (3, 0) else "rendered_map_index"
    label: str | None = getattr(task_instance, column)
    return label


def task_deferred() -> type[Exception]:
    """The exception with which a task defers itself."""
    module = "airflow.sdk.exceptions" if AIRFLOW >= (3, 2) else "airflow.exceptions"
    deferred: type[Exception] = importlib.import_module(module).TaskDeferred
    return deferred


def log_to(log: BinaryIO) -> None:
    """Log as in a task's process, where secrets are masked, but at DEBUG and as JSON lines that tests can read."""
    import airflow.settings  # sets up its own logging, once

    if AIRFLOW >= (3, 1):
        from airflow.sdk.log import configure_logging

        configure_logging(json_output=True, log_level="DEBUG", output=log, cache_logger_on_first_use=False)
        return
    if AIRFLOW >= (3, 0):  # sends what comes through structlog to `output`, the rest to stderr
        from airflow.sdk.execution_time.secrets_masker import _secrets_masker, redact
        from airflow.sdk.log import configure_logging

        masked: Any = _Masked(log)
        configure_logging(enable_pretty_log=False, log_level="DEBUG", output=masked, cache_logger_on_first_use=False)
    else:
        from airflow.utils.log.secrets_masker import _secrets_masker  # type: ignore[no-redef]

        airflow.settings.MASK_SECRETS_IN_LOGS = True  # as `airflow tasks run` sets it
        redact = _as_it_is  # nobody masks a line as a whole there
    lines = _JsonLines(log, redact)
    lines.addFilter(_secrets_masker())
    for handler in [handler for handler in logging.root.handlers if not type(handler).__module__.startswith("_pytest")]:
        logging.root.removeHandler(handler)
    logging.root.addHandler(lines)
    logging.root.setLevel("DEBUG")
    logging.getLogger("airflow.task").setLevel("DEBUG")


def forget_masked_texts() -> None:
    """Airflow masks for as long as a process lives: what another test took for a secret may be a word of this one."""
    for masker in _maskers():
        masker.patterns = set()
        masker.replacer = None


def masked_texts() -> set[str]:
    """What Airflow masks, escaped for a regular expression."""
    return set().union(*(masker.patterns for masker in _maskers()))


def _maskers() -> Iterator[Any]:
    if AIRFLOW >= (3, 1):
        modules = ["airflow.sdk._shared.secrets_masker", "airflow._shared.secrets_masker"]
    elif AIRFLOW >= (3, 0):
        modules = ["airflow.sdk.execution_time.secrets_masker"]
    else:
        modules = ["airflow.utils.log.secrets_masker"]
    for module in modules:
        with contextlib.suppress(ImportError, AttributeError, RuntimeError):  # not there, or not in use
            yield importlib.import_module(module)._secrets_masker()


def forget_task_session() -> None:
    """Airflow 2 keeps the database session of what is rendered outside of a task, and runs no task in this process
    then: `dag.test()` would try for ever."""
    if AIRFLOW >= (3, 0):
        return
    place = vars(importlib.import_module("airflow.utils.task_instance_session"))
    session = place["__current_task_instance_session"]
    if session is not None:
        session.close()
        place["__current_task_instance_session"] = None


def _as_it_is(text: str) -> str:
    return text


class _Masked:
    """Masks what comes through structlog as the supervisor of a task's process does, which reads JSON lines and masks
    the texts in them; dag.test() of Airflow 3.0 has no such supervisor."""

    mode = "wb"

    def __init__(self, log: BinaryIO) -> None:
        self._log = log

    def write(self, line: bytes) -> None:
        from airflow.sdk.execution_time.secrets_masker import redact

        self._log.write(json.dumps(redact(json.loads(line))).encode() + b"\n")

    def flush(self) -> None:
        self._log.flush()


class _JsonLines(logging.Handler):
    """Writes the lines that `configure_logging(json_output=True)` of newer versions writes."""

    def __init__(self, log: BinaryIO, redact: Callable[[str], Any]) -> None:
        super().__init__(logging.DEBUG)
        self._log = log
        self._redact = redact

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "event": self._redact(record.getMessage()),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = [
                {
                    "exc_type": type(error).__name__,
                    "exc_value": str(error),
                    "frames": traceback.format_tb(error.__traceback__),
                }
                for error in _causes(record.exc_info[1])
            ]
        self._log.write(json.dumps(line, default=str).encode() + b"\n")


def _causes(error: BaseException | None) -> list[BaseException]:
    """The exception and those that led to it, the last one first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def answer_questions(answerer: Callable[[Any], Any]) -> list[Any]:
    """Answer the questions of tasks that wait for somebody, as the REST API does it; return what was asked.

    :param answerer: Returns the columns of an answer to a question.
    """
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    # `dag.test()` gives a task the state of one that goes on before its trigger runs, which it soon does.
    waiting = [TaskInstanceState.DEFERRED, TaskInstanceState.QUEUED]
    if AIRFLOW >= (3, 3):
        waiting = [TaskInstanceState.AWAITING_INPUT]
    asked = []
    with create_session() as session:
        query = select(HITLDetail).join(TaskInstance).where(TaskInstance.state.in_(waiting))
        for question in session.scalars(query).all():
            if question.responded_at is None:
                asked.append({name: getattr(question, name) for name in ("subject", "body", "params", "assignees")})
                for column, value in answerer(question).items():
                    setattr(question, column, value)
            # Also where it has been answered: `dag.test()` can write over the new state what it had read before.
            if AIRFLOW >= (3, 3):
                _resume(question, session)
    return asked


@contextlib.contextmanager
def answers_arrive() -> Iterator[None]:
    """Let a trigger that waits for an answer have it under `dag.test()`, which serves no such request before 3.3: it
    goes to Airflow's API, as from a triggerer."""
    if AIRFLOW >= (3, 3):
        yield
        return
    from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor

    triggers: Any = importlib.import_module("airflow.providers.standard.triggers.hitl")
    served_by_supervisor = triggers.get_hitl_detail_content_detail
    supervisor: Any = InProcessTestSupervisor
    client = supervisor._api_client()
    triggers.get_hitl_detail_content_detail = lambda ti_id: client.hitl.get_detail_response(ti_id=ti_id)
    try:
        yield
    finally:
        triggers.get_hitl_detail_content_detail = served_by_supervisor


def _resume(question: Any, session: Any) -> None:
    from airflow.models.trigger import handle_event_submit
    from airflow.triggers.base import TriggerEvent

    event: Any = TriggerEvent
    payload = question.as_resume_event_payload(timedout=question.responded_by is None)
    handle_event_submit(event(payload), task_instance=question.task_instance, session=session)
