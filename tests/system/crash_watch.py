"""What a crash campaign sees of the tasks, for many threads at the price of one look."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.system.engine_processes import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.engine import RunningAirflow
    from tests.system.engine_processes import TaskProcess

EVERY = 0.4
PROCESSES_EVERY = 0.12


@dataclass(frozen=True)
class Seen:
    """A task instance in one moment."""

    state: str | None
    try_number: int
    max_tries: int


class Watch(threading.Thread):
    """Looks at all task instances of the runs in flight again and again, with one request a look."""

    def __init__(self, airflow: RunningAirflow, dag_id: str) -> None:
        super().__init__(name="watch", daemon=True)
        self._airflow = airflow
        self._dag_id = dag_id
        self._runs: set[str] = set()
        self._tasks: dict[tuple[str, str], Seen] = {}
        self._over = threading.Event()
        self._processes = _Shared(airflow.task_processes, PROCESSES_EVERY)

    def add(self, run_id: str) -> None:
        self._runs = {*self._runs, run_id}

    def drop(self, run_id: str) -> None:
        self._runs = self._runs - {run_id}

    def end(self) -> None:
        self._over.set()
        self.join(60)

    def task(self, run_id: str, task_id: str) -> Seen:
        return self._tasks.get((run_id, task_id), Seen(None, 0, 0))

    def process(self, run_id: str, task_id: str, *, known: bool = True) -> TaskProcess | None:
        """The newest process of a task that has a supervisor; `known`: and that has been told what to execute."""
        found = [
            process
            for process in self._processes.get()
            if (process.run_id, process.task_id) == (run_id, task_id)
            and process.supervisor
            and (process.ti_id or not known)
            and process.alive
        ]
        return max(found, key=lambda process: process.try_number, default=None)

    def orphans(self) -> list[TaskProcess]:
        return [process for process in self._processes.get() if process.supervisor is None and process.alive]

    def run(self) -> None:
        while not self._over.wait(EVERY):
            runs = sorted(self._runs)
            if not runs:
                continue
            body = {"dag_ids": [self._dag_id], "dag_run_ids": runs, "page_limit": 100}
            try:
                rows = self._airflow.call("POST", "/dags/~/dagRuns/~/taskInstances/list", body=body, again=True)
            except EngineError as error:
                print(f"watch: {error}", flush=True)
                continue
            self._tasks = {
                (row["dag_run_id"], row["task_id"]): Seen(row["state"], row["try_number"], row["max_tries"])
                for row in rows["task_instances"]
            }


class _Shared:
    """One answer for all who ask within a while."""

    def __init__(self, look: Callable[[], list[Any]], every: float) -> None:
        self._look = look
        self._every = every
        self._lock = threading.Lock()
        self._at = 0.0
        self._found: list[Any] = []

    def get(self) -> list[Any]:
        with self._lock:
            if time.monotonic() - self._at > self._every:
                self._found = self._look()
                self._at = time.monotonic()
            return self._found
