"""A real Airflow 3 on one machine, each component its own process, for tests that watch, measure and kill it.

with RunningAirflow(home=tmp_path / "airflow", dags=folder) as airflow:
    airflow.wait_ready(["my_dag"])
    run_id = airflow.trigger("my_dag")
    assert airflow.wait_run("my_dag", run_id) == "success"
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from tests.system.engine_client import AirflowClient, wait_until
from tests.system.engine_processes import (
    MARK,
    EngineError,
    Guard,
    ManagedProcess,
    Marked,
    idle_orphans,
    task_processes,
)
from tests.system.engine_services import free_port, start_postgresql, start_redis

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import psutil

    from tests.system.engine_processes import TaskProcess
    from tests.system.engine_services import PostgreSQL
    from tests.system.kube_cluster import Cluster

Executor = Literal["LocalExecutor", "CeleryExecutor", "KubernetesExecutor"]
Database = Literal["sqlite", "postgresql"]

_CACHE = Path(__file__).parents[2] / ".pytest_cache" / "engine"
# Short crash detection, and a new scheduler that soon takes over what a killed one left behind.
_FAST_CRASH_DETECTION = {
    "TRIGGERER__JOB_HEARTBEAT_SEC": 1,
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": 4,
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 15,
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 2,
    "SCHEDULER__JOB_HEARTBEAT_SEC": 2,
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 8,
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 5,
}


class RunningAirflow(AirflowClient):
    """Starts everything on entry, and on exit, however it comes about, leaves nothing running.

    `processes` has "api-server", "scheduler", "dag-processor", "triggerer-0", ..., "worker-0", ... (Celery)
    and the services "postgresql" and "redis" where they are used. `env` overrides any setting; `connections`
    maps connection ids to the members of their JSON form. `parallelism` is the number of tasks that execute
    at once, with Celery over all `workers`. KubernetesExecutor makes its pods in `cluster`.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        *,
        executor: Executor = "LocalExecutor",
        database: Database = "sqlite",
        triggerers: int = 1,
        workers: int = 2,
        parallelism: int = 8,
        fast_crash_detection: bool = True,
        cluster: Cluster | None = None,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if executor == "CeleryExecutor" and database != "postgresql":
            raise ValueError("CeleryExecutor needs database='postgresql'")
        if (executor == "KubernetesExecutor") != (cluster is not None):
            raise ValueError("KubernetesExecutor needs a cluster, and no other executor has one")
        self.home, self.dags = home.resolve(), dags.resolve()
        self.executor, self.database = executor, database
        self.triggerers = triggerers
        self.workers = workers if executor == "CeleryExecutor" else 0
        self.parallelism = parallelism
        self.processes: dict[str, ManagedProcess] = {}
        self.marked = Marked(uuid.uuid4().hex)
        self._fast = fast_crash_detection
        self._cluster = cluster
        self._connections = connections or {}
        self._overrides = env or {}
        self._environment: dict[str, str] = {}
        self.services: Path | None = None
        self._guard: Guard | None = None
        self._port = free_port()
        super().__init__(f"http://127.0.0.1:{self._port}")

    # Life

    def __enter__(self) -> Self:
        atexit.register(self.shut_down)
        try:
            self._start()
        except BaseException:
            self.shut_down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down()

    def shut_down(self) -> None:
        """Kill every process of this Airflow, orphans too, and look that none is left."""
        try:
            if self._cluster:
                self._cluster.close()
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self.marked.end()
        finally:
            for process in self.processes.values():
                _ = process.exit_code  # reaps it
            if self._guard:
                self._guard.close()
            self._guard = None
            if self.services:
                shutil.rmtree(self.services, ignore_errors=True)
            self.close()
            atexit.unregister(self.shut_down)

    def wait_ready(self, dag_ids: Collection[str] = (), timeout: float = 240) -> float:
        """Wait until every part is healthy and the DAGs are there; returns the seconds that took."""
        started = time.monotonic()
        missing = self._missing(dag_ids)
        while missing:
            if time.monotonic() - started > timeout:
                raise EngineError(f"not ready after {timeout:g} s: {missing}\n{self.tails()}")
            time.sleep(0.25)
            missing = self._missing(dag_ids)
        return time.monotonic() - started

    # For whoever runs a command beside it, or reads its database

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process, once it has started."""
        return dict(self._environment)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line of `airflow` with these arguments; run it in `environment`."""
        return _airflow_command(self.marked.mark, arguments)

    # Processes

    def task_processes(self, dag_id: str | None = None, run_id: str | None = None) -> list[TaskProcess]:
        """The tasks that execute in this moment, orphans too."""
        return [
            task
            for task in task_processes(self.marked)
            if dag_id in (None, task.dag_id) and run_id in (None, task.run_id)
        ]

    def wait_task_process(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, timeout: float = 60
    ) -> TaskProcess:
        def look() -> TaskProcess | None:
            found = self.task_processes(dag_id, run_id)
            return next((task for task in found if (task.task_id, task.map_index) == (task_id, map_index)), None)

        what = f"process of {task_id}[{map_index}]"
        return wait_until(look, timeout, lambda: f"{what}: {self.story(dag_id, run_id)}", every=0.05)

    def idle_orphans(self) -> list[psutil.Process]:
        """What killed schedulers left of LocalExecutor: workers that wait for ever and hold memory."""
        return idle_orphans(self.marked)

    def tails(self, lines: int = 15) -> str:
        """The last lines of every component's output."""
        parts = []
        for name, process in self.processes.items():
            state = "running" if process.running else f"ended with {process.exit_code}"
            parts.append("\n".join([f"--- {name} ({state})", *process.log().splitlines()[-lines:]]))
        return "\n".join(parts)

    # Start

    def _start(self) -> None:
        self._guard = Guard(self.marked.mark)
        for folder in (self.home, self.home / "logs", self.home / "task_logs"):
            folder.mkdir(parents=True, exist_ok=True)
        # Otherwise the first commands write it at the same time.
        (self.home / "airflow.cfg").touch()
        self._environment = _base_environment(self.marked.mark) | self._settings()
        if self.database == "postgresql":
            self._start_services()
        else:
            database = self.home / "airflow.db"
            shutil.copy(self._template("airflow.db", self._make_sqlite), database)
            self._environment |= _airflow(DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{database}")
        if self._cluster:
            self._cluster.start(self.marked.mark, self._session_started)
            settings = {f"KUBERNETES_EXECUTOR__{name}": value for name, value in self._cluster.settings.items()}
            self._environment |= _airflow(**settings)
        self._environment |= self._overrides
        for name, arguments in self._components():
            self.processes[name] = self._make(name, _airflow_command(self.marked.mark, arguments))
            self.processes[name].start()

    def _settings(self) -> dict[str, str]:
        parallelism = self.parallelism
        settings = _airflow(
            CORE__EXECUTOR=self.executor,
            CORE__DAGS_FOLDER=self.dags,
            CORE__LOAD_EXAMPLES=False,
            CORE__FERNET_KEY=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            CORE__DAGS_ARE_PAUSED_AT_CREATION=False,
            CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True,
            CORE__EXECUTION_API_SERVER_URL=f"{self.api_url}/execution/",
            CORE__PARALLELISM=parallelism,
            CORE__MAX_ACTIVE_TASKS_PER_DAG=max(16, parallelism),
            API__HOST="127.0.0.1",
            API__PORT=self._port,
            API__BASE_URL=self.api_url,
            API__SECRET_KEY=secrets.token_hex(32),
            API__WORKERS=1,
            API_AUTH__JWT_SECRET=secrets.token_hex(32),
            LOGGING__BASE_LOG_FOLDER=self.home / "task_logs",
            DAG_PROCESSOR__REFRESH_INTERVAL=5,
            DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL=5,
            SCHEDULER__ENABLE_HEALTH_CHECK=False,
            USAGE_DATA_COLLECTION__ENABLED=False,
        )
        settings |= _airflow(**_FAST_CRASH_DETECTION) if self._fast else {}
        connections = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in self._connections.items()}
        return settings | connections | {"AIRFLOW_HOME": str(self.home)}

    def _start_services(self) -> None:
        assert self._guard
        self.services = Path(tempfile.mkdtemp(prefix="amplify-engine-"))
        self._guard.tell("directory", self.services)
        server = start_postgresql(self._subfolder("postgresql"), self._make_service)
        self._environment |= _airflow(DATABASE__SQL_ALCHEMY_CONN=server.url())
        server.restore(self._template("postgresql.sql", lambda target: self._make_dump(server, target)))
        if self.executor == "CeleryExecutor":
            broker = start_redis(self._subfolder("redis"), self._make_service)
            backend = server.url("db+postgresql+psycopg2")
            self._environment |= _airflow(CELERY__BROKER_URL=broker, CELERY__RESULT_BACKEND=backend)

    def _subfolder(self, name: str) -> Path:
        assert self.services
        self.services.chmod(0o711)
        folder = self.services / name
        folder.mkdir(mode=0o700)
        return folder

    def _make(self, name: str, argv: Sequence[str]) -> ManagedProcess:
        log_file = self.home / "logs" / f"{name}.log"
        return ManagedProcess(name, argv, self._environment, self.home, log_file, self._session_started)

    def _make_service(self, name: str, argv: Sequence[str]) -> ManagedProcess:
        self.processes[name] = self._make(name, argv)
        return self.processes[name]

    def _session_started(self, pid: int) -> None:
        self.marked.sessions.add(pid)
        if self._guard:
            self._guard.tell("session", pid)

    def _components(self) -> Iterator[tuple[str, list[str]]]:
        yield "api-server", ["api-server"]
        yield "scheduler", ["scheduler", "--skip-serve-logs"]
        yield "dag-processor", ["dag-processor"]
        for number in range(self.triggerers):
            yield f"triggerer-{number}", ["triggerer", "--skip-serve-logs"]
        for number in range(self.workers):
            command = ["celery", "worker", "--skip-serve-logs", "--celery-hostname", f"w{number}@%h"]
            # Without a file of its own a worker that is started again stumbles over the other's.
            command += ["--pid", str(self.home / f"worker-{number}.pid")]
            yield (
                f"worker-{number}",
                [*command, "--concurrency", str(max(1, self.parallelism // self.workers))],
            )

    # The migrated, empty database: made once per Airflow version, then copied

    def _template(self, name: str, make: Any) -> Path:
        _CACHE.mkdir(parents=True, exist_ok=True)
        template = _CACHE / f"{version('apache-airflow')}-{name}"
        with (_CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                unfinished = template.with_suffix(".new")
                unfinished.unlink(missing_ok=True)
                make(unfinished)
                unfinished.replace(template)
        return template

    def _make_sqlite(self, target: Path) -> None:
        self._migrate(f"sqlite:///{target}")
        # Airflow uses write-ahead logging: bring the log into the one file that is copied.
        with contextlib.closing(sqlite3.connect(target)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")

    def _make_dump(self, server: PostgreSQL, target: Path) -> None:
        self._migrate(server.url())
        server.dump(target)
        server.clear()

    def _migrate(self, url: str) -> None:
        log_file = self.home / "logs" / "db-migrate.log"
        environment = self._environment | _airflow(DATABASE__SQL_ALCHEMY_CONN=url)
        argv = _airflow_command(self.marked.mark, ["db", "migrate"])
        with log_file.open("ab") as log:
            done = subprocess.run(argv, env=environment, cwd=self.home, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise EngineError(f"airflow db migrate failed: {log_file.read_text()[-3000:]}")

    # Readiness

    def _missing(self, dag_ids: Collection[str]) -> str | None:
        """What is not ready yet; raises for what will never be."""
        for process in self.processes.values():
            if not process.running:
                code = process.exit_code
                raise EngineError(f"{process.name} ended with {code}: {process.log()[-3000:]}")
        if not (health := self._health_or_none()):
            return "API server"
        for part, state in health.items():
            if state["status"] != "healthy" and (part != "triggerer" or self.triggerers):
                return f"{part}: {state}"
        if (living := self.living_jobs("TriggererJob")) < self.triggerers:
            return f"triggerers: {living} of {self.triggerers}"
        for name, process in self.processes.items():
            if name.startswith("worker-") and " ready." not in process.log():
                return name
        return self._missing_dags(dag_ids)

    def _health_or_none(self) -> dict[str, dict[str, Any]] | None:
        with contextlib.suppress(EngineError):
            return self.health()
        return None

    def _missing_dags(self, dag_ids: Collection[str]) -> str | None:
        missing = [dag_id for dag_id in dag_ids if not self.has_dag(dag_id)]
        if missing and (errors := self.import_errors()):
            raise EngineError("DAG files that cannot be imported: " + "\n".join(errors))
        return f"DAGs: {missing}" if missing else None


def _airflow(**settings: object) -> dict[str, str]:
    return {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}


def _airflow_command(mark: str, arguments: Sequence[str]) -> list[str]:
    # The unused -X option makes the command line long enough for the titles that Airflow gives its processes,
    # which must fit into it, because their environment (behind it in memory) is to stay as it is.
    return [sys.executable, "-X", f"{MARK.lower()}={mark}", "-m", "airflow", *arguments]


def _base_environment(mark: str) -> dict[str, str]:
    """Ours without what would lead to the developer's own Airflow or AWS account."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
    # Compiling all of Airflow in every process takes longer than all the rest of the start.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    local = "127.0.0.1,localhost"
    return environment | {
        MARK: mark,
        # Process titles would otherwise overwrite the environment, and with it the mark.
        "SPT_NOENV": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": local,
        "no_proxy": local,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
