"""DAG files that are written, loaded and run by Airflow itself, in this process and on the session's database."""

from __future__ import annotations

import json
import os
import re
import textwrap
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.airflow_versions import DAG_IMPORTS
from tests.samples import APP, auth

HEADER = """\
from __future__ import annotations

import json
from datetime import datetime, timedelta

{imports}
from airflow_provider_amplifybackend.operators.auth import *
from airflow_provider_amplifybackend.operators.environment import *
from airflow_provider_amplifybackend.sensors.environment import BackendEnvironmentSensor
from airflow_provider_amplifybackend.sensors.job import BackendJobSensor

APP = {app!r}
AUTH = {auth!r}

with DAG("{dag_id}", schedule=None, start_date=datetime(2026, 1, 1), catchup=False, {options}):
"""


@dataclass(frozen=True)
class Finished:
    """A DAG run that has ended, and everything that it left behind."""

    dag_id: str
    run_id: str
    state: str
    states: dict[str, str]
    """State by task id; for a mapped task by `id[index]`."""
    tries: dict[str, int]
    log_lines: list[dict[str, Any]]
    """What was logged; `task` is the task that was running then."""

    @property
    def log(self) -> str:
        """Everything that was logged at DEBUG and above, as it would be stored."""
        return "\n".join(json.dumps(line, default=str) for line in self.log_lines)

    def messages(self, level: str) -> list[str]:
        """The messages of one level that tasks logged, of Airflow's own and of everybody's."""
        return [line["event"] for line in self.log_lines if line["level"] == level and line["task"]]

    def errors(self, task_id: str) -> list[str]:
        """The exception that ended each failed try of the task, with its type."""
        return [
            f"{line['exception'][0]['exc_type']}: {line['exception'][0]['exc_value']}"
            for line in self.log_lines
            if line["task"] == task_id and line["event"] == "Task failed with exception"
        ]

    def error(self, task_id: str) -> str:
        """The exception that ended the only failed try of the task."""
        (only,) = self.errors(task_id)
        return only

    def xcoms(self) -> dict[tuple[str, int, str], Any]:
        """Every XCom of the run by task id, map index and key."""
        from airflow.utils.session import create_session

        from airflow_provider_amplifybackend._compat import xcom_model

        XCom = xcom_model()
        with create_session() as session:
            # Columns, because Airflow 2 has deserialized the value of a loaded model already.
            columns = session.query(XCom.task_id, XCom.map_index, XCom.key, XCom.value)
            rows = columns.filter_by(dag_id=self.dag_id, run_id=self.run_id).all()
            return {(row.task_id, row.map_index, row.key): XCom.deserialize_value(row) for row in rows}

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """An XCom, or None."""
        return self.xcoms().get((task_id, map_index, key))

    def rendered(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """The rendered fields as they are stored, and shown in the UI."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields
        from airflow.utils.session import create_session

        with create_session() as session:
            row = (
                session.query(RenderedTaskInstanceFields)
                .filter_by(dag_id=self.dag_id, run_id=self.run_id, task_id=task_id, map_index=map_index)
                .one()
            )
            return dict(row.rendered_fields)

    def links(self, task_id: str) -> dict[str, str]:
        """The XComs that the UI reads for the extra links, by name of the link."""
        return {key: value for (task, _, key), value in self.xcoms().items() if task == task_id and "_link" in key}


class DagRunner:
    """Writes DAG files into the dags folder and runs them."""

    def __init__(self, home: Path, log_file: Path) -> None:
        self._folder = home / "dags"
        self._log_file = log_file
        self._files: list[Path] = []

    def load(self, body: str, *, options: str = "") -> Any:
        """Load a DAG whose tasks are `body`, the content of a `with DAG(...)` block; `options` are the DAG's."""
        dag_id = f"dag_{uuid.uuid4().hex[:12]}"
        text = HEADER.format(
            imports=DAG_IMPORTS, app=APP, auth=auth(), dag_id=dag_id, options=options
        ) + textwrap.indent(textwrap.dedent(body), "    ")
        return self.load_file(text, dag_id)

    def load_file(self, text: str, dag_id: str) -> Any:
        """Load a DAG from the text of a whole DAG file."""
        path = self._folder / f"file_{uuid.uuid4().hex[:12]}.py"
        path.write_text(text)
        self._files.append(path)
        from airflow_provider_amplifybackend._compat import load_dags

        with _our_warnings_are_errors():
            bag = load_dags(str(path))
        assert not bag.import_errors, "\n".join(bag.import_errors.values())
        return bag.dags[dag_id]

    def run(self, body: str, *, options: str = "", conf: dict[str, Any] | None = None) -> Finished:
        """Load and run a DAG."""
        return self.run_dag(self.load(body, options=options), conf=conf)

    def run_dag(self, dag: Any, *, conf: dict[str, Any] | None = None) -> Finished:
        """Run a loaded DAG to its end: retries, deferrals and teardowns included."""
        before = self._log_file.stat().st_size
        from airflow_provider_amplifybackend.local.testing.dag_runs import run_in_process

        with _our_warnings_are_errors():
            run = run_in_process(dag, conf)
        with self._log_file.open("rb") as log:
            log.seek(before)
            lines = list(_lines(log))
        names = {
            task: task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"
            for task in run.get_task_instances()
        }
        return Finished(
            dag_id=run.dag_id,
            run_id=run.run_id,
            state=str(run.state),
            states={name: str(task.state) for task, name in names.items()},
            tries={name: task.try_number for task, name in names.items()},
            log_lines=lines,
        )

    def forget(self) -> None:
        """Remove the DAG files: each further run would read them all again."""
        while self._files:
            os.unlink(self._files.pop())


@contextmanager
def _our_warnings_are_errors() -> Iterator[None]:
    """As in pyproject.toml: a warning that our own modules cause is a failure; other people's are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", module="airflow_provider_amplifybackend")
        yield


def _lines(log: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    task = ""
    for text in log:
        line = json.loads(text)
        started = re.match(r"\[DAG TEST\] (start|end)(?:ing)? task(?: |_id=)(\S+)", str(line["event"]))
        if started:
            task = started[2].removeprefix("task_id=") if started[1] == "start" else ""
        yield line | {"task": task}
