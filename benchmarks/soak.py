"""An hour of waiting in one process like a triggerer: does anything grow that should not?

    python -m benchmarks.soak [--minutes 60] [--waits 200] [--short]

So many triggers wait at any time; one that ends is replaced by one for a new job. What counts is what the process
holds after each minute: memory after a full garbage collection, connections, tasks, clients and sessions of aiohttp.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_amplifybackend.local.control import LocalControl
from benchmarks._local import ACCOUNT, OPERATION, REGION, ROOT, clean_environment, connection, local_service
from benchmarks._report import Report

APPS = 10
FLAT_MB = 1.0
# Of the minutes: caches fill, the allocator finds its size.
WARM_UP = 1 / 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--waits", type=int, default=200)
    parser.add_argument("--job-seconds", type=float, nargs=2, default=[30.0, 90.0], metavar=("FROM", "TO"))
    parser.add_argument("--short", action="store_true", help="two minutes, for CI")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        asyncio.run(Soak(json.loads(options.inside)).run())
        return
    if options.short:
        options.minutes, options.waits, options.job_seconds = 2, 50, [3.0, 8.0]
    settings = {"minutes": options.minutes, "waits": options.waits, "job_seconds": options.job_seconds}
    report = Report("soak", settings)
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as folder, local_service() as control:
        work = settings | {"endpoint_url": control.endpoint_url, "result": str(Path(folder) / "result.json")}
        command = [sys.executable, "-m", "benchmarks.soak", "--inside", json.dumps(work)]
        environment = clean_environment(Path(folder), bench=connection(control.endpoint_url))
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        measured = json.loads(Path(str(work["result"])).read_text())
    show(report, measured)
    report.write()


def show(report: Report, measured: dict[str, Any]) -> None:
    samples = measured["samples"]
    names = ("minute", "ended", "memory", "connections", "tasks", "sessions", "clients")
    step = max(1, len(samples) // 12)
    report.rows.extend(samples)
    rows = [[sample[name] for name in names] for sample in [*samples[:-1:step], samples[-1]]]
    report.table(["minute", "ended", "memory MB", "connections", "tasks", "sessions", "clients"], rows, "Soak")
    warm = [sample for sample in samples if sample["minute"] >= WARM_UP * samples[-1]["minute"]]
    growth = warm[-1]["memory"] - warm[0]["memory"]
    report.goal(
        f"memory flat to {FLAT_MB:g} MB", growth <= FLAT_MB, f"{growth:+.1f} MB since minute {warm[0]['minute']:.0f}"
    )
    after = measured["after"]
    leaked = {name: after[name] for name in ("connections", "sessions", "clients") if after[name]}
    report.goal("nothing left of client and session once nobody waits", not leaked, str(leaked or "nothing"))
    report.goal("every wait ended well", not measured["bad"], f"{measured['ended']} ended, {measured['bad']} badly")


class Soak:
    """The process that is watched."""

    def __init__(self, work: dict[str, Any]) -> None:
        self.work = work
        self.control = LocalControl(work["endpoint_url"], timeout=60)
        self.chance = random.Random(1)
        self.ended: Counter[bool] = Counter()
        self.samples: list[dict[str, Any]] = []
        self.until = 0.0

    async def run(self) -> None:
        logging.basicConfig(level=logging.INFO, stream=sys.stdout)
        count = self.work["waits"]
        apps = [f"d{number:06d}" for number in range(APPS)]
        names = [[f"env{number:03d}" for number in range(count // APPS + 1)] for _ in apps]
        self.control.seed(
            account=ACCOUNT,
            region=REGION,
            apps=[{"app_id": app, "environments": each} for app, each in zip(apps, names, strict=True)],
        )
        self.until = time.monotonic() + 60 * self.work["minutes"]
        places = [(apps[number % APPS], f"env{number // APPS:03d}") for number in range(count)]
        watching = asyncio.create_task(self.watch())
        await asyncio.gather(*(self.wait_again_and_again(*place) for place in places))
        watching.cancel()
        await asyncio.sleep(1)
        result = {"samples": self.samples, "after": self.held(), "ended": self.ended[True], "bad": self.ended[False]}
        Path(self.work["result"]).write_text(json.dumps(result))

    async def wait_again_and_again(self, app_id: str, environment: str) -> None:
        while time.monotonic() < self.until:
            job_id = str(uuid.uuid4())
            row: dict[str, Any] = {
                "environment": environment,
                "job_id": job_id,
                "operation": OPERATION,
                "status": "RUNNING",
            }
            row["seconds"] = self.chance.uniform(*self.work["job_seconds"])
            app = {"app_id": app_id, "jobs": [row]}
            await asyncio.to_thread(self.control.seed, account=ACCOUNT, region=REGION, apps=[app])
            self.ended[await self.wait(app_id, environment, job_id)] += 1

    async def wait(self, app_id: str, environment: str, job_id: str) -> bool:
        from airflow_provider_amplifybackend.triggers.job import BackendJobTrigger

        trigger = BackendJobTrigger(
            app_id=app_id,
            job_id=job_id,
            environments=[environment],
            operation=OPERATION,
            deadline=time.time() + 3600,
            waiter_delay=30,
            aws_conn_id="bench",
        )
        async for event in trigger.run():
            return bool(event.payload.get("kind") == "finished")
        return False

    async def watch(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(60 if self.work["minutes"] > 5 else 10)
            held = self.held()
            minute = round((time.monotonic() - began) / 60, 1)
            self.samples.append({"minute": minute, "ended": self.ended[True], **held})

    def held(self) -> dict[str, Any]:
        """Return what the process holds now."""
        gc.collect()
        kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
        process = psutil.Process(os.getpid())
        return {
            "memory": round(process.memory_info().rss / 2**20, 2),
            "connections": len([one for one in process.net_connections("tcp") if one.status == "ESTABLISHED"]),
            "tasks": len(asyncio.all_tasks()),
            "sessions": kinds["aiohttp.client.ClientSession"],
            "clients": sum(count for name, count in kinds.items() if name.endswith(".AmplifyBackend")),
        }


if __name__ == "__main__":
    main()
