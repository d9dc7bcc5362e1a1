"""The processes of a test Airflow: found by a mark in their environment, signalled, measured, ended.

Run as a script this file is the guard: it ends what carries the mark once its own parent is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MARK = "AMPLIFY_TEST_ENGINE"
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, ProcessLookupError, FileNotFoundError)
_TASK_TITLE = re.compile(r"^airflow worker -- ([0-9a-f]{8}-[0-9a-f-]{27})$")
_TASK_LOG = re.compile(
    r"/dag_id=(?P<dag_id>[^/]+)/run_id=(?P<run_id>[^/]+)/task_id=(?P<task_id>[^/]+)"
    r"(?:/map_index=(?P<map_index>\d+))?/attempt=(?P<try_number>\d+)\.log$"
)


class EngineError(RuntimeError):
    """The test Airflow did not do what was asked of it."""


class Marked:
    """Every living process of one test Airflow, whoever its parent is by now."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.sessions: set[int] = set()

    def processes(self) -> list[psutil.Process]:
        return [process for process in map(_process, psutil.pids()) if process and self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        except PermissionError:
            environment = b""  # Airflow makes supervisors non-dumpable: then only root may read it.
        except OSError:
            return False
        if environment.strip(b"\0"):
            return f"{MARK}={self.mark}".encode() in environment.split(b"\0")
        # Unreadable, or overwritten by the program's own title, as Redis does. The id of the session is trusted
        # here only, for want of better: the id of one that has ended is used again.
        return _session(process) in self.sessions and _is_own_and_alive(process)

    def end(self, timeout: float = 20) -> None:
        """Kill until a scan finds nothing: a process may fork while it is being killed."""
        started = time.monotonic()
        while left := self.processes():
            waited = time.monotonic() - started
            if waited > timeout:
                raise EngineError(f"processes that do not end: {left}")
            for process in left:
                # PostgreSQL removes its shared memory on SIGQUIT, and leaves it behind on SIGKILL.
                gently = waited < 2 and _name(process) == "postgres"
                _signal(process, signal.SIGQUIT if gently else signal.SIGKILL)
            time.sleep(0.05)


class Guard:
    """A process that outlives this one, for the case that this one is killed before it can clean up."""

    def __init__(self, mark: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def tell(self, kind: str, value: object) -> None:
        """`session` and a number, or `directory` and a path to remove."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{kind} {value}\n")
            self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(30)


class ManagedProcess:
    """One program of the test Airflow, in a session of its own."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        log_file: Path,
        on_start: Callable[[int], None],
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._argv = list(argv)
        self._environment = dict(environment)
        self._directory = directory
        self._on_start = on_start
        self._log_offset = 0
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise EngineError(f"{self.name} has not been started")
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        if self.running:
            raise EngineError(f"{self.name} is running already")
        with self.log_file.open("ab") as log:
            self._log_offset = log.tell()
            self._popen = subprocess.Popen(
                self._argv,
                env=self._environment,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._on_start(self._popen.pid)

    def kill(self, *, tree: bool = False) -> None:
        """SIGKILL, and wait for the end of the main process. `tree`: as if its machine had died."""
        if tree:
            _kill_all(self.members)
        self._send(signal.SIGKILL)
        if self._popen:
            self._popen.wait()

    def stop(self, *, tree: bool = False) -> None:
        """SIGSTOP: it does nothing more, and nobody is told."""
        self._send(signal.SIGSTOP, tree)

    def cont(self, *, tree: bool = False) -> None:
        self._send(signal.SIGCONT, tree)

    def terminate(self, timeout: float = 20) -> None:
        """SIGTERM, the orderly end; SIGKILL for the whole tree after the time-out."""
        self._send(signal.SIGTERM)
        if self._popen:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill(tree=True)

    def restart(self, *, kill: bool = False, environment: Mapping[str, str] | None = None) -> None:
        """Start again; a process that still runs is ended first, in good order unless `kill` is set.

        `environment` is for it alone, from now on.
        """
        self._environment |= environment or {}
        if self.running:
            self.kill() if kill else self.terminate()
        self.start()

    def members(self) -> list[psutil.Process]:
        """This process and all it started, also those whose parent is gone."""
        main = self.pid
        found: dict[int, psutil.Process] = {}
        for process in filter(None, map(_process, psutil.pids())):
            with contextlib.suppress(*_GONE):
                if _session(process) == main and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = process
                    found.update({child.pid: child for child in process.children(recursive=True)})
        return list(found.values())

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree so far, with that of its children which have ended."""
        return sum(_each(self.members(), lambda process: float(sum(process.cpu_times()[:4]))))

    def pss(self) -> int:
        """Bytes of memory of the whole tree, shared pages divided between those that share them."""
        return int(sum(_each(self.members(), lambda process: float(process.memory_full_info().pss))))

    def log(self) -> str:
        """What it wrote since it was last started."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_offset)
            return log.read().decode(errors="replace")

    def _send(self, number: int, tree: bool = False) -> None:
        if tree:
            for process in self.members():
                _signal(process, number)
        elif self.running and self._popen:
            self._popen.send_signal(number)


@dataclass(frozen=True)
class TaskProcess:
    """A process that executes a task now.

    `supervisor` is None for an orphan, whose supervisor has died; `ti_id` is None until the process has been
    told what to execute: one that loses its supervisor before that ends by itself.
    """

    process: psutil.Process
    supervisor: psutil.Process | None
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    ti_id: str | None

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def alive(self) -> bool:
        with contextlib.suppress(*_GONE):
            return bool(self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE)
        return False

    def kill(self) -> None:
        _signal(self.process, signal.SIGKILL)

    def stop(self) -> None:
        _signal(self.process, signal.SIGSTOP)

    def cont(self) -> None:
        _signal(self.process, signal.SIGCONT)

    def signal_supervisor(self, number: int = signal.SIGKILL) -> None:
        if self.supervisor:
            _signal(self.supervisor, number)


def task_processes(marked: Marked) -> Iterator[TaskProcess]:
    """The task processes of LocalExecutor and of Celery workers."""
    if os.getuid() != 0:
        # An empty answer would let a crash campaign kill nothing, and pass.
        raise EngineError("only root can see which task a process executes: Airflow makes them non-dumpable")
    processes = {process.pid: process for process in marked.processes()}
    for process in processes.values():
        with contextlib.suppress(*_GONE):
            title = _TASK_TITLE.match(" ".join(process.cmdline()).strip())
            # A task process leads a process group of its own, from before it gives itself its title.
            if not title and os.getpgid(process.pid) != process.pid:
                continue
            if not (log := _open_task_log(process.pid)):
                continue
            supervisor = processes.get(process.ppid())
            yield TaskProcess(
                process,
                supervisor,
                log["dag_id"],
                log["run_id"],
                log["task_id"],
                int(log["map_index"] or -1),
                int(log["try_number"]),
                title[1] if title else None,
            )


def idle_orphans(marked: Marked) -> list[psutil.Process]:
    """Workers of a killed LocalExecutor that have nothing to do and wait for ever for more."""
    processes = {process.pid: process for process in marked.processes()}
    found = []
    for process in processes.values():
        with contextlib.suppress(*_GONE):
            if process.ppid() in processes or process.children():
                continue
            if " ".join(process.cmdline()).startswith("airflow worker -- LocalExecutor"):
                found.append(process)
    return found


def _open_task_log(pid: int) -> re.Match[str] | None:
    """The log of a task that the process has open: a task process inherits it from its supervisor."""
    with contextlib.suppress(OSError):
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if match := _TASK_LOG.search(os.readlink(descriptor.path)):
                    return match
    return None


def _process(pid: int) -> psutil.Process | None:
    with contextlib.suppress(*_GONE):
        return psutil.Process(pid)
    return None


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(*_GONE):
        return str(process.name())
    return ""


def _session(process: psutil.Process) -> int | None:
    with contextlib.suppress(*_GONE):
        return os.getsid(process.pid)
    return None


def _is_own_and_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(*_GONE):
        return os.getuid() in (0, process.uids().real) and process.status() != psutil.STATUS_ZOMBIE
    return False


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(*_GONE):
        process.send_signal(number)


def _kill_all(find: Callable[[], Iterable[psutil.Process]]) -> None:
    while left := list(find()):
        for process in left:
            _signal(process, signal.SIGKILL)
        time.sleep(0.02)


def _each(processes: Iterable[psutil.Process], measure: Callable[[psutil.Process], float]) -> Iterator[float]:
    for process in processes:
        with contextlib.suppress(*_GONE):
            yield measure(process)


def _guard(mark: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    marked, directories = Marked(mark), []
    for line in sys.stdin:
        kind, _, value = line.strip().partition(" ")
        if kind == "session":
            marked.sessions.add(int(value))
        else:
            directories.append(value)
    marked.end()
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _guard(sys.argv[1])
