"""The Airflow of `make demo ARGS=--stay`: UI, scheduler, DAG processor and triggerer on the demo's database."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
_GENTLE_SECONDS = 15
_LINES = 20

# A proxy of the environment must not catch requests to the loopback address.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DemoAirflow:
    """Airflow's components, each in a session of its own: a Ctrl-C in the terminal reaches the demo alone."""

    def __init__(self, home: Path) -> None:
        self._logs = home / "components"
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> DemoAirflow:
        self._logs.mkdir()
        environment = {**os.environ, **self._settings()}
        try:
            for name, arguments in COMPONENTS.items():
                with (self._logs / f"{name}.log").open("wb") as log:
                    self._processes[name] = subprocess.Popen(
                        [sys.executable, "-m", "airflow", *arguments],
                        env=environment,
                        cwd=self._logs,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _settings(self) -> dict[str, str]:
        settings = {
            "API__HOST": "127.0.0.1",
            "API__PORT": self.url.rpartition(":")[2],
            "API__BASE_URL": self.url,
            "API__WORKERS": "1",
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            # It listens on the loopback address alone, and its database is thrown away: nobody needs to log in.
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "LOGGING__LOGGING_LEVEL": "INFO",
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        return {f"AIRFLOW__{name}": value for name, value in settings.items()}

    def check(self) -> None:
        """Look whether all components run.

        :raises SystemExit: One has ended: with the end of its log.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise SystemExit(f"airflow {name} ended with status {process.returncode}\n{self._tail(name)}")

    def answers(self) -> bool:
        with contextlib.suppress(OSError), _opener.open(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def _tail(self, name: str) -> str:
        lines = (self._logs / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LINES:])

    def stop(self) -> None:
        """End every process that this one started, and what those started: first in order, then for good."""
        # Also those whose parent ends before them: they are looked for while it can still name them.
        started = {process.pid: process for process in self._started()}
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GENTLE_SECONDS
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        started |= {process.pid: process for process in self._started()}
        for left in started.values():
            # psutil compares the time of its start, too: an id that is used again is another process.
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        for process in self._processes.values():
            process.wait()

    def _started(self) -> Iterator[psutil.Process]:
        """Return all living processes of our sessions, and the children of those."""
        sessions = {process.pid for process in self._processes.values()}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) in sessions:
                    yield process
                    yield from process.children(recursive=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
