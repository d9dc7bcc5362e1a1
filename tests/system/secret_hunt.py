"""The hunt for planted secrets: a real Airflow at DEBUG runs tasks that meet secrets on every road, and then everything
that it has written, answers or prints is searched for them.

    python -m tests.system.secret_hunt            # SQLite and LocalExecutor, then PostgreSQL and Celery where installed
    python -m tests.system.secret_hunt --short    # the first of them

`secret_plants` has the secrets, `dags/secrets` the tasks, `secret_sinks` the places, `secret_forms` the search, and
`secret_not_covered` what docs/security.md says that Airflow shows all the same. `secret_leaks` leaks one secret into
every sink, on purpose: a sink in which that is not found fails the hunt, because there nothing else would be found
either. So does a task that ends otherwise than it should, or a secret that was to reach the service and did not.

The last line is `planted N · sinks M · found 0 · control found M of M`, and the exit status is 0 only if it is so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.front import Front
from tests.sts import Sts
from tests.system import secret_leaks, secret_shown
from tests.system.engine import RunningAirflow
from tests.system.engine_processes import EngineError
from tests.system.engine_services import missing_services
from tests.system.secret_forms import Search
from tests.system.secret_not_covered import NOT_COVERED, excuse
from tests.system.secret_plants import CONTROL, DAG_IDS, PLANTS, SESSIONS, Planted
from tests.system.secret_sinks import (
    OF_DAG,
    OF_TASK,
    REST,
    TABLES,
    Database,
    Piece,
    Watch,
    cli_pieces,
    file_pieces,
    log_pieces,
    rest_pieces,
)

if TYPE_CHECKING:
    from tests.system.engine import Executor

REPOSITORY = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags" / "secrets"
# What only names show, and no task writes to: there the control is a name that holds the secret.
NAME = "control_name"
LOGS = ("api-server.log", "dag-processor.log", "scheduler.log", "triggerer.log")
SINKS = (
    *(f"table {table}" for table in TABLES),
    "other tables",
    *LOGS,
    "logs of DAG files",
    "logs of tasks",
    "logs of triggers",
    *(f"REST {name}" for name in (*OF_DAG, *REST, *OF_TASK)),
    "CLI dags details",
    "CLI dags list-import-errors",
    "CLI tasks render",
    "CLI tasks states-for-dag-run",
    "command lines",
    "environments",
    "files",
)
OF_CELERY = ("worker.log", "broker")
# Under LocalExecutor, Airflow itself fails tasks whose trigger fires before the busy scheduler has noted their deferral
# (apache/airflow#67287).
JOB_SECONDS = 12.0
# Where the secrets were put, and what is a sink of its own.
GIVEN = ("given", "dags", "logs", "task_logs")
# Of the services that Airflow needs, and of the making of its database.
NOT_OURS = frozenset({"postgresql.log", "redis.log", "db-migrate.log"})


@dataclass(frozen=True)
class Find:
    """A secret where none should be."""

    secret: str
    place: str
    excerpt: str


@dataclass
class Report:
    """The findings of one hunt, or of several."""

    planted: int = 0
    wanted: frozenset[str] = frozenset(SINKS)
    """The sinks in which the control must be."""
    sinks: Counter[str] = field(default_factory=Counter)
    finds: dict[tuple[str, str], Find] = field(default_factory=dict)
    excused: Counter[str] = field(default_factory=Counter)
    controlled: set[str] = field(default_factory=set)
    astray: list[str] = field(default_factory=list)
    """Roads that were not taken as they should have been."""

    @property
    def is_clean(self) -> bool:
        return not self.finds and not self.astray and self.wanted <= self.controlled

    def __str__(self) -> str:
        return (
            f"planted {self.planted} · sinks {len(self.wanted)} · found {len(self.finds)} · "
            f"control found {len(self.wanted & self.controlled)} of {len(self.wanted)}"
        )


class Judge:
    """Searches pieces as they come."""

    def __init__(self, planted: Planted, report: Report) -> None:
        control = {NAME: planted.cores[NAME], CONTROL: planted.cores[CONTROL]}
        self._search = Search(planted.mark, dict(planted.cores) | control, planted.others)
        self._report = report

    def look(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._report.sinks[piece.sink] += len(piece.content)
            for name in self._search.names(piece.content):
                self._note(name, piece)

    def _note(self, name: str, piece: Piece) -> None:
        place = f"{piece.sink}: {piece.where}"
        if name in (CONTROL, NAME):
            self._report.controlled.add(piece.sink)
        elif found := excuse(name, place):
            self._report.excused[found.what] += 1
        else:
            # One line for each place, not one for each mapped task or try.
            excerpt = self._search.excerpt(piece.content, name)
            self._report.finds.setdefault((name, place), Find(name, place, excerpt))


class Hunt:
    """One Airflow, one local service, all secrets."""

    def __init__(self, executor: Executor, folder: Path) -> None:
        self.executor: Executor = executor
        self.home = folder / "home"
        self.planted = Planted(more=[NAME])
        sinks = (*SINKS, *OF_CELERY) if executor == "CeleryExecutor" else SINKS
        self.report = Report(len(PLANTS) + len(SESSIONS), frozenset(sinks))
        self.leaks = f"leaks_{self.planted.cores[NAME]}"

    def run(self) -> Report:
        began = time.monotonic()
        with (
            LocalAmplifyBackend(job_seconds=JOB_SECONDS) as service,
            Front(service.endpoint_url).running() as proxy,
            Sts(self.planted.roles).running() as sts,
        ):
            self.planted.prepare(service)
            self._give(self.planted.connections(service.endpoint_url, proxy.endpoint_url, sts.endpoint_url))
            with self._airflow() as airflow:
                airflow.wait_ready([*DAG_IDS, self.leaks])
                self._say(began, "Airflow is ready")
                self._run_dags(airflow, began)
                self.report.astray += self.planted.astray(service.control.journal(), proxy.asked, sts.asked)
                self._search(airflow, began)
        return self.report

    def _say(self, began: float, what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {self.executor}: {what}", flush=True)

    # ------------------------------------------------------------------------------------------------------- before

    def _give(self, connections: dict[str, Any]) -> None:
        """Write what Airflow reads: the secrets backend's files, the DAGs, and those with secrets in them."""
        given, dags = self.home / "given", self.home / "dags"
        for folder in (given, self.home / "tmp"):
            folder.mkdir(parents=True)
        shutil.copytree(DAGS, dags)
        (given / "variables.json").write_text(json.dumps(self.planted.variables))
        (given / "connections.json").write_text(json.dumps(connections))
        secret = self.planted.values[CONTROL]
        (dags / f"{self.leaks}.py").write_text(secret_leaks.FILE.format(dag_id=self.leaks, secret=secret))
        value = self.planted.values
        shown = secret_shown.FILE.format(literal=value["in_file_google"], param=value["in_params_google"])
        (dags / "showing_dag.py").write_text(shown)
        (dags / "broken_dag.py").write_text(secret_leaks.BROKEN_FILE.format(secret=secret))

    def _airflow(self) -> RunningAirflow:
        backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
        files = {
            f"{kind}_file_path": str(self.home / "given" / f"{kind}.json") for kind in ("variables", "connections")
        }
        return RunningAirflow(
            self.home,
            self.home / "dags",
            executor=self.executor,
            database="postgresql" if self.executor == "CeleryExecutor" else "sqlite",
            parallelism=8,
            # A busy machine must not make a task be taken for dead.
            fast_crash_detection=False,
            env={
                "PYTHONPATH": str(REPOSITORY),
                "TMPDIR": str(self.home / "tmp"),
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
                "AIRFLOW__SECRETS__BACKEND": backend,
                "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(files),
                "AIRFLOW__WORKERS__SECRETS_BACKEND": backend,
                "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": json.dumps(files),
                "AIRFLOW__API__MAXIMUM_PAGE_LIMIT": "1000",
            },
        )

    # -------------------------------------------------------------------------------------------------------- the run

    def _run_dags(self, airflow: RunningAirflow, began: float) -> None:
        self.database = Database(
            airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"],
            airflow.environment["AIRFLOW__CORE__FERNET_KEY"],
        )
        self._store(airflow)
        with Watch(airflow, self.database) as self.watch:
            # The control comes first: it takes longest, because it waits for a child, a retry and a trigger.
            conf = {"leaked": self.planted.values[CONTROL]}
            self.runs = [(self.leaks, airflow.trigger(self.leaks, conf, run_id=f"run-{self.planted.cores[NAME]}"))]
            self.runs += [
                (dag_id, airflow.trigger(dag_id, self.planted.conf(dag_id), run_id="hunt")) for dag_id in DAG_IDS
            ]
            for dag_id, run_id in self.runs:
                state = airflow.wait_run(dag_id, run_id, timeout=900, every=1)
                self._say(began, f"{dag_id.partition('_Hq')[0]} has ended: {state}")
            if airflow.run(*self.runs[0])["state"] != "success":
                self.report.astray.append("the control did not end well")
        self.report.astray += self._astray(airflow)

    def _store(self, airflow: RunningAirflow) -> None:
        variables, connections = self.planted.in_database
        control = self.planted.values[CONTROL]
        for key, value in (variables | {"leaked": control}).items():
            airflow.call("POST", "/variables", body={"key": key, "value": value})
        for conn_id, connection in (connections | {"leaked": {"conn_type": "generic", "password": control}}).items():
            airflow.call("POST", "/connections", body={"connection_id": conn_id, **connection})

    def _astray(self, airflow: RunningAirflow) -> Iterator[str]:
        for dag_id, run_id in self.runs[1:]:
            for task in airflow.tasks(dag_id, run_id):
                expected = "failed" if task["task_id"].startswith("fails_") else "success"
                if task["state"] != expected:
                    yield f"{task['task_id']} is {task['state']}, not {expected}"
                elif expected == "failed" and not self._has_raised(airflow, dag_id, run_id, task):
                    yield f"{task['task_id']} has not failed by itself: Airflow has ended it"

    @staticmethod
    def _has_raised(airflow: RunningAirflow, dag_id: str, run_id: str, task: dict[str, Any]) -> bool:
        for number in range(task["try_number"], 0, -1):
            with suppress(EngineError):  # Airflow does not know of each try that it has ended itself
                lines = airflow.logs(dag_id, run_id, task["task_id"], number)
                if any("Task failed with exception" in str(line.get("event")) for line in lines):
                    return True
        return False

    # -------------------------------------------------------------------------------------------------------- search

    def _search(self, airflow: RunningAirflow, began: float) -> None:
        judge = Judge(self.planted, self.report)
        self.database.write_control(self.planted.values[CONTROL])
        judge.look(rest_pieces(airflow, self.runs))
        self._say(began, "the REST API is searched")
        judge.look(cli_pieces(airflow, self._commands()))
        self._say(began, "the CLI is searched")
        judge.look(self.database.pieces())
        judge.look(self.watch.pieces)
        self.database.close()
        self._say(began, "the database and the processes are searched")
        airflow.shut_down()
        judge.look(piece for piece in log_pieces(self.home) if piece.sink not in NOT_OURS)
        judge.look(file_pieces(self.home, but=(*GIVEN, "airflow.db", "airflow.db-wal", "airflow.db-shm")))
        self.report.astray += [
            f"listed in docs/security.md and not found: {each.what}"
            for each in NOT_COVERED
            if not self.report.excused[each.what]
        ]
        size = sum(self.report.sinks.values()) / 1e6
        self._say(began, f"all is searched, {size:.0f} MB")

    def _commands(self) -> Iterator[list[str]]:
        yield ["dags", "details", self.leaks]
        yield ["dags", "details", "secrets_shown"]
        yield ["dags", "list-import-errors"]
        yield ["tasks", "render", self.leaks, "leak", self.runs[0][1]]
        yield ["tasks", "render", DAG_IDS[0], "json_text", self.runs[1][1]]
        for dag_id, run_id in self.runs[:2]:
            yield ["tasks", "states-for-dag-run", dag_id, run_id, "-o", "json"]


def hunt(executors: Iterable[Executor], folder: Path) -> list[Report]:
    """Hunt under each executor, one after the other."""
    reports = []
    for executor in executors:
        report = Hunt(executor, folder / executor).run()
        show(report)
        (folder / f"{executor}.json").write_text(
            json.dumps([vars(find) for find in report.finds.values()], indent=1), encoding="utf-8"
        )
        reports.append(report)
    return reports


def show(report: Report) -> None:
    """Print everything but the last line: what is allowed, and what is wrong."""
    for headline, number in sorted(report.excused.items()):
        print(f"not covered, found {number} times: {headline}")
    for text in report.astray:
        print(f"ASTRAY: {text}")
    for sink in sorted(report.wanted - report.controlled):
        print(f"NO CONTROL: {sink} ({report.sinks[sink]} bytes)")
    for find in report.finds.values():
        print(f"FOUND: {find.secret} in {find.place}")


def without_celery() -> str | None:
    """Return why there can be no Celery here."""
    missing = [name for name in ("celery", "psycopg2") if not find_spec(name)]
    return f"not installed: {', '.join(missing)}" if missing else missing_services()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Hunt for planted secrets in everything that a real Airflow shows.")
    parser.add_argument("--short", action="store_true", help="SQLite and LocalExecutor only")
    parser.add_argument("--folder", type=Path, default=None, help="where Airflow's home and the findings go")
    given = parser.parse_args(arguments)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="amplify-hunt-"))
    executors: list[Executor] = ["LocalExecutor"]
    if not given.short:
        if why_not := without_celery():
            print(f"no part with Celery: {why_not}", flush=True)
        else:
            executors.append("CeleryExecutor")
    reports = hunt(executors, folder)
    for executor, report in zip(executors, reports, strict=True):
        print(f"{executor}: {report}" if len(reports) > 1 else str(report))
    return 0 if all(report.is_clean for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
