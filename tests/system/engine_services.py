"""PostgreSQL and Redis from Debian's packages, on free ports of 127.0.0.1 and in throw-away folders."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_amplifybackend.local.control import LocalControl
from tests.system.engine_client import wait_until
from tests.system.engine_processes import MARK, EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.system.engine_processes import ManagedProcess

    # (name, argv) -> a process with the engine's environment, mark and log folder
    Make = Callable[[str, Sequence[str]], ManagedProcess]

_USER = "airflow"
_DATABASE = "postgres"


class ServiceMissingError(EngineError):
    """A program that a test needs is not installed; the message says which package brings it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def local_process(port: int, mark: str, *options: str) -> Iterator[LocalControl]:
    """The local AmplifyBackend in a process of its own, which ends with the Airflow of that mark whatever happens."""
    argv = [sys.executable, "-m", "airflow_provider_amplifybackend.local", "--port", str(port), *options]
    with subprocess.Popen(argv, env=os.environ | {MARK: mark}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield LocalControl(process.stdout.readline().strip())
        finally:
            process.kill()


def missing_services() -> str | None:
    """Why PostgreSQL or Redis cannot be started here; for skips."""
    try:
        _postgresql_programs()
        _redis_program()
    except ServiceMissingError as missing:
        return str(missing)
    return None


def _postgresql_programs() -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]), reverse=True
    )
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve())
    if not found:
        raise ServiceMissingError("PostgreSQL is not installed: apt-get install postgresql")
    if os.getuid() == 0 and not shutil.which("setpriv"):
        raise ServiceMissingError(
            "PostgreSQL refuses to run as root, and setpriv is missing: apt-get install util-linux"
        )
    return found[0].parent


def _redis_program() -> str:
    if not (found := shutil.which("redis-server")):
        raise ServiceMissingError("Redis is not installed: apt-get install redis-server")
    return found


@dataclass(frozen=True)
class PostgreSQL:
    """A running server and how to reach it."""

    process: ManagedProcess
    programs: Path
    port: int
    password: str

    def url(self, scheme: str = "postgresql+psycopg2") -> str:
        return f"{scheme}://{_USER}:{self.password}@127.0.0.1:{self.port}/{_DATABASE}"

    def dump(self, target: Path) -> None:
        self._client("pg_dump", "--no-owner", "--file", str(target))

    def restore(self, source: Path) -> None:
        self._client("psql", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file", str(source))

    def clear(self) -> None:
        self._client("psql", "--quiet", "--command", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def _client(self, program: str, *arguments: str) -> None:
        _run([str(self.programs / program), "--dbname", self.url("postgresql"), *arguments])


def start_postgresql(folder: Path, make: Make) -> PostgreSQL:
    """`folder` must be one that the user postgres can reach, which folders of pytest are not."""
    programs, port, password = _postgresql_programs(), free_port(), secrets.token_hex(16)
    data, password_file = folder / "data", folder / "password"
    password_file.write_text(password)
    _give_to_postgres(folder, password_file)
    become = _as_postgres()
    initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username", _USER, "--auth=scram-sha-256"]
    _run([*become, *initdb, f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--no-sync"])
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": str(folder),
        "max_connections": 300,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    process = make("postgresql", [*become, str(programs / "postgres"), "-D", str(data), *settings])
    process.start()
    ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    _wait_for(process, lambda: subprocess.run(ready, check=False).returncode == 0)
    return PostgreSQL(process, programs, port, password)


def start_redis(folder: Path, make: Make) -> str:
    """Start Redis and return its URL."""
    port, password = free_port(), secrets.token_hex(16)
    options = {"bind": "127.0.0.1", "port": port, "requirepass": password, "dir": folder, "appendonly": "no"}
    # Its title would overwrite its environment, and with it the mark.
    options["set-proc-title"] = "no"
    # In a file, because a command line can be read by every user of the machine.
    (folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()) + 'save ""\n')
    process = make("redis", [_redis_program(), str(folder / "redis.conf")])
    process.start()
    _wait_for(process, lambda: _answers(port))
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _wait_for(process: ManagedProcess, ready: Callable[[], bool]) -> None:
    def look() -> bool:
        if not process.running:
            raise EngineError(f"{process.name} ended with {process.exit_code}: {process.log()[-3000:]}")
        return ready()

    wait_until(look, 30, lambda: f"answer of {process.name}: {process.log()[-3000:]}", every=0.05)


def _as_postgres() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def _give_to_postgres(*paths: Path) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def _run(argv: Sequence[str]) -> None:
    # Not the current folder: the user postgres may not be allowed to look into it.
    done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{argv[0]} failed with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


needs_services = pytest.mark.skipif(missing_services() is not None, reason=str(missing_services()))
