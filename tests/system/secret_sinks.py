"""The places in which a secret may show: the database, the logs, the REST API, the CLI, processes and files.

Each yields pieces: the name of the sink, where in it, and bytes, with all that Airflow encrypts, compresses or pickles
unpacked. Nothing here knows what is looked for.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import hashlib
import json
import pickletools
import re
import subprocess
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from cryptography.fernet import Fernet, InvalidToken

from tests.system.engine_processes import EngineError

if TYPE_CHECKING:
    from tests.system.engine import RunningAirflow
    from tests.system.engine_client import AirflowClient

# The tables that a task, its trigger or its DAG write to; all others are one sink.
TABLES = (
    "connection",
    "dag",
    "dag_code",
    "dag_run",
    "import_error",
    "log",
    "rendered_task_instance_fields",
    "serialized_dag",
    "task_instance",
    "task_instance_history",
    "task_state_store",
    "trigger",
    "variable",
    "xcom",
)
REST = {
    "DAG details": "/dags/{dag}/details",
    "DAG source": "/dagSources/{dag}",
    "DAG runs": "/dags/{dag}/dagRuns",
    "tasks": "/dags/{dag}/tasks",
    "task instances": "/dags/{dag}/dagRuns/{run}/taskInstances",
}
OF_DAG = {
    "event log": "/eventLogs",
    "import errors": "/importErrors",
    "DAG warnings": "/dagWarnings",
}
OF_TASK = {
    "tries": "{task}/tries",
    "XComs": "{task}/xcomEntries",
    "links": "{task}/links",
    "state store": "{task}/state-store",
    "task logs": "{task}/logs/{try_number}",
}
_FERNET = re.compile(rb"gAAAA[\w-]{60,}={0,2}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_DEEPEST = 4
_RECORD = re.compile(rb"(?m)^(?=\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)")
_LEVEL = re.compile(rb"\[(debug|info|warning|error|critical) *\]")
_LOGGER = re.compile(rb"\[([A-Za-z_][\w.]*)\](?= |$)", re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """A part of what a sink holds."""

    sink: str
    where: str
    content: bytes


# ----------------------------------------------------------------------------------------------------------- unpacking


def unpacked(content: bytes, fernet: Fernet | None = None, depth: int = 0) -> Iterator[bytes]:
    """Yield a content, and all that is encrypted, compressed, pickled or encoded in it."""
    yield content
    if depth < _DEEPEST:
        for inner in _inner(content, fernet):
            yield from unpacked(inner, fernet, depth + 1)


def _inner(content: bytes, fernet: Fernet | None) -> Iterator[bytes]:
    with contextlib.suppress(zlib.error):
        yield zlib.decompress(content)
    with contextlib.suppress(OSError, EOFError, zlib.error):
        yield gzip.decompress(content)
    yield from _pickled(content)
    if fernet:
        for token in _FERNET.findall(content):
            with contextlib.suppress(InvalidToken):
                yield fernet.decrypt(token)
    for text in _BASE64.findall(content):
        with contextlib.suppress(binascii.Error, ValueError):
            raw = base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")) + b"==")
            if raw[:1] in (b"\x78", b"\x1f", b"\x80"):  # zlib, gzip, a pickle; plain texts are found encoded
                yield raw


def _pickled(content: bytes) -> Iterator[bytes]:
    """Yield the texts of a pickle, without running what is in it."""
    if content[:1] != b"\x80":
        return
    with contextlib.suppress(ValueError, IndexError, EOFError):
        for _, argument, _ in pickletools.genops(content):
            if isinstance(argument, str | bytes):
                yield argument if isinstance(argument, bytes) else argument.encode(errors="surrogatepass")


# ------------------------------------------------------------------------------------------------------------ database


class Database:
    """Airflow's metadata database, read as it is."""

    def __init__(self, url: str, fernet_key: str) -> None:
        from sqlalchemy import create_engine

        self._engine = create_engine(url)
        self._fernet = Fernet(fernet_key) if fernet_key else None

    def pieces(self, tables: Iterable[str] = ()) -> Iterator[Piece]:
        """Yield every column of every table, or of these."""
        from sqlalchemy import inspect, text

        for table in sorted(tables or inspect(self._engine).get_table_names()):
            sink = f"table {table}" if table in TABLES else "other tables"
            with self._engine.connect() as connection:
                rows = connection.execute(text(f'SELECT * FROM "{table}"'))
                columns = list(rows.keys())
                for row in rows:
                    for column, value in zip(columns, row, strict=True):
                        yield from self._piece(sink, f"{table}.{column}", value)

    def _piece(self, sink: str, where: str, value: Any) -> Iterator[Piece]:
        if isinstance(value, str | bytes | memoryview | dict | list):
            raw = bytes(value) if isinstance(value, bytes | memoryview) else _text(value).encode(errors="surrogatepass")
            for content in unpacked(raw, self._fernet):
                yield Piece(sink, where, content)

    def write_control(self, secret: str) -> None:
        """Put a secret into a table of its own, in each way in which Airflow may pack one."""
        import pickle

        from sqlalchemy import LargeBinary, column, insert, table, text

        packed = [zlib.compress(secret.encode()), pickle.dumps({"packed": [secret]}), base64.b64encode(secret.encode())]
        packed += [self._fernet.encrypt(secret.encode())] if self._fernet else []
        kind = "BYTEA" if self._engine.dialect.name == "postgresql" else "BLOB"
        with self._engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE control_of_the_hunt (packed {kind})"))
            target = table("control_of_the_hunt", column("packed", LargeBinary))
            connection.execute(insert(target), [{"packed": each} for each in packed])

    def close(self) -> None:
        self._engine.dispose()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# ------------------------------------------------------------------------------------------------------ logs and files


def log_pieces(home: Path) -> Iterator[Piece]:
    """Yield every log file of a running Airflow: of its components, of tasks, triggers and DAG files."""
    for path in sorted((home / "logs").glob("*.log")):
        name = re.sub(r"-\d+$", "", path.stem)
        for where, records in by_origin(path.read_bytes()).items():
            yield Piece(f"{name}.log", where, b"\n".join(records))
    for path in _files(home / "logs" / "dag_processor"):
        yield Piece("logs of DAG files", path.name, path.read_bytes())
    for path in _files(home / "task_logs"):
        sink = "logs of triggers" if ".trigger." in path.name else "logs of tasks"
        yield Piece(sink, str(path.relative_to(home / "task_logs")), path.read_bytes())


def by_origin(log: bytes) -> dict[str, list[bytes]]:
    """Return the records of a component's log by level and logger; each begins with its time, and may be long."""
    found: dict[str, list[bytes]] = {}
    for record in _RECORD.split(log):
        level, logger = _LEVEL.search(record), _LOGGER.search(record)
        origin = b" ".join(match[1] for match in (level, logger) if match) or b"output"
        found.setdefault(origin.decode(), []).append(record)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def file_pieces(home: Path, *, but: Sequence[str]) -> Iterator[Piece]:
    """Yield every other file below Airflow's home, where its temporary files are as well."""
    for path in _files(home):
        parts = path.relative_to(home).parts
        if parts[0] not in but:
            for content in unpacked(path.read_bytes()):
                yield Piece("files", "/".join(parts), content)


# ---------------------------------------------------------------------------------------------------------- interfaces


def rest_pieces(airflow: AirflowClient, runs: Sequence[tuple[str, str]]) -> Iterator[Piece]:
    """Yield what the REST API answers about DAG runs and everything in them."""
    for name, path in OF_DAG.items():
        yield from _answer(airflow, name, path, limit=1000)
    for dag_id, run_id in runs:
        for name, path in REST.items():
            yield from _answer(airflow, name, path.format(dag=dag_id, run=run_id), limit=1000)
        for instance in airflow.tasks(dag_id, run_id):
            yield from _of_task(airflow, dag_id, run_id, instance)


def _of_task(airflow: AirflowClient, dag_id: str, run_id: str, instance: dict[str, Any]) -> Iterator[Piece]:
    task = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{instance['task_id']}"
    index, tries = instance["map_index"], instance["try_number"]
    for name, path in OF_TASK.items():
        numbers = range(1, tries + 1) if "try_number" in path else (tries,)
        for number in numbers:
            where = task + (f"/{index}" if name == "tries" and index >= 0 else "")
            yield from _answer(airflow, name, path.format(task=where, try_number=number), map_index=index)
    for entry in airflow.call("GET", f"{task}/xcomEntries", params={"map_index": index})["xcom_entries"]:
        yield from _answer(airflow, "XComs", f"{task}/xcomEntries/{entry['key']}", map_index=index)


def _answer(airflow: AirflowClient, name: str, path: str, **params: Any) -> Iterator[Piece]:
    with contextlib.suppress(EngineError):  # not every task has each of these
        answer = airflow.call("GET", path, params=params, patience=5)
        yield Piece(f"REST {name}", path, json.dumps(answer, ensure_ascii=False).encode(errors="surrogatepass"))


def cli_pieces(airflow: RunningAirflow, commands: Iterable[Sequence[str]]) -> Iterator[Piece]:
    """Yield what commands print; the sink is called after the first two words."""
    for command in commands:
        done = subprocess.run(
            airflow.command(command), env=airflow.environment, cwd=airflow.home, capture_output=True, check=False
        )
        yield Piece(f"CLI {' '.join(command[:2])}", " ".join(command), done.stdout + b"\n" + done.stderr)


def broker_pieces(url: str) -> Iterator[Piece]:
    """Yield what is in Celery's broker: messages that wait, and those whose tasks run."""
    # Only where Celery is installed.
    redis: Any = import_module("redis")

    with redis.Redis.from_url(url) as broker:
        for key in broker.scan_iter():
            kind = broker.type(key)
            values: Iterable[Any] = ()
            if kind == b"list":
                values = broker.lrange(key, 0, -1)
            elif kind == b"hash":
                values = broker.hgetall(key).values()
            for value in values:
                yield Piece("broker", key.decode(errors="replace"), value)


class Watch:
    """Looks again and again at what is there for a moment: processes, messages, and the rows of waiting tasks."""

    MOMENTARY = ("trigger", "task_instance", "rendered_task_instance_fields")

    def __init__(self, airflow: RunningAirflow, database: Database) -> None:
        self._airflow, self._database = airflow, database
        self._broker = airflow.environment.get("AIRFLOW__CELERY__BROKER_URL")
        self._over = threading.Event()
        self._seen: dict[bytes, Piece] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    @property
    def pieces(self) -> list[Piece]:
        return list(self._seen.values())

    def _look(self) -> None:
        while not self._over.wait(0.5):
            for process in self._airflow.marked.processes():
                with contextlib.suppress(psutil.Error):
                    self._keep(Piece("command lines", process.name(), "\0".join(process.cmdline()).encode()))
                    environment = json.dumps(process.environ(), ensure_ascii=False)
                    self._keep(Piece("environments", process.name(), environment.encode(errors="replace")))
            with contextlib.suppress(Exception):  # a message may be gone before it is read
                for piece in broker_pieces(self._broker) if self._broker else ():
                    self._keep(piece)
            with contextlib.suppress(Exception):  # the database may be locked for a moment
                for piece in self._database.pieces(self.MOMENTARY):
                    self._keep(piece)

    def _keep(self, piece: Piece) -> None:
        key = hashlib.sha256(f"{piece.sink} {piece.where} ".encode() + piece.content).digest()
        self._seen.setdefault(key, piece)
