"""The local AmplifyBackend as a process of its own, and an Airflow home for the processes that use it."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_amplifybackend.local.control import LocalControl

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "123456789012"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/waiter"
OPERATION = "UpdateBackendAPI"
ENVIRONMENTS_PER_APP = 20


@contextmanager
def local_service(*, with_moto: bool = False) -> Iterator[LocalControl]:
    """Start the service, and stop it at the end."""
    command = [sys.executable, "-m", "airflow_provider_amplifybackend.local", "--job-seconds", "60"]
    command += ["--with-moto"] if with_moto else []
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        endpoint = process.stdout.readline().strip()
        if not endpoint:
            raise RuntimeError(f"the local AmplifyBackend did not start: exit status {process.wait()}")
        yield LocalControl(endpoint, timeout=120)
    finally:
        process.terminate()
        process.wait(20)


def seed_jobs(control: LocalControl, seconds: Sequence[float | None]) -> list[dict[str, str]]:
    """Make jobs run, each in an environment of its own, and return how to find them; None: until it is ended."""
    jobs = []
    apps: dict[str, dict[str, Any]] = {}
    for number, duration in enumerate(seconds):
        app_id, environment = f"d{number // ENVIRONMENTS_PER_APP:06d}", f"env{number % ENVIRONMENTS_PER_APP:02d}"
        job = {"app_id": app_id, "environment": environment, "job_id": str(uuid.uuid4()), "operation": OPERATION}
        jobs.append(job)
        app = apps.setdefault(app_id, {"app_id": app_id, "environments": [], "jobs": []})
        app["environments"].append(environment)
        row = {"environment": environment, "job_id": job["job_id"], "operation": OPERATION}
        app["jobs"].append({**row, "status": "RUNNING", **({} if duration is None else {"seconds": duration})})
    control.seed(account=ACCOUNT, region=REGION, apps=list(apps.values()))
    return jobs


def completions(control: LocalControl) -> dict[str, float]:
    """When each job completed, on the service's clock, which is this machine's."""
    return {job["JobId"]: int(job["UpdateTime"]) / 1000 for job in control.jobs() if job["Status"] == "COMPLETED"}


def connection(
    endpoint_url: str, *, sts_endpoint_url: str | None = None, verify: str | None = None, plain_login: bool = True
) -> dict[str, Any]:
    """An AWS connection to the local service, in Airflow's JSON form; with STS it assumes a role.

    :param verify: File of the certificates to trust.
    """
    extra: dict[str, Any] = {"region_name": REGION} | ({"verify": verify} if verify else {})
    extra["service_config"] = {"amplifybackend": {"endpoint_url": endpoint_url}}
    if sts_endpoint_url:
        extra["role_arn"] = ROLE
        extra["service_config"]["sts"] = {"endpoint_url": sts_endpoint_url}
    login = {"login": ACCOUNT, "password": "local"} if plain_login else {}
    return {"conn_type": "aws", **login, "extra": extra}


def clean_environment(home: Path | None = None, **connections: dict[str, Any]) -> dict[str, str]:
    """The environment without what would lead to somebody's own Airflow or AWS account."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    environment |= {"PYTHONWARNINGS": "ignore"}
    if home:
        environment |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AWS_CONFIG_FILE": str(home / "no-aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-aws-credentials"),
        }
    for name, value in connections.items():
        environment[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(value)
    return environment


class CountingProxy:
    """Passes bytes on to a server and counts how often something occurs in the requests.

    The journal of the local service knows AmplifyBackend's requests only, so the calls of STS are counted here. With a
    server's TLS settings it is the service's HTTPS endpoint, whose work is this process's and not that of who waits.
    """

    def __init__(
        self, endpoint_url: str, needle: bytes = b"Action=AssumeRole", tls: ssl.SSLContext | None = None
    ) -> None:
        self._target = urlsplit(endpoint_url)
        self._needle = needle
        self._tls = tls
        self.count = 0
        self.endpoint_url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="counting-proxy", daemon=True)

    def __enter__(self) -> CountingProxy:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        starting = asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=2048, ssl=self._tls)
        server = self._loop.run_until_complete(starting)
        scheme = "https" if self._tls else "http"
        self.endpoint_url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        await asyncio.gather(self._copy(reader, back, count=True), self._copy(there, writer, count=False))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            tail = b""
            while data := await reader.read(65536):
                if count:
                    seen = tail + data
                    self.count += seen.count(self._needle)
                    tail = seen[-(len(self._needle) - 1) :]
                writer.write(data)
                await writer.drain()
        writer.close()
