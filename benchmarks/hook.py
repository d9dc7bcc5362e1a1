"""What a call through the hook costs on top of the same call with boto3.

    python -m benchmarks.hook [--rounds 400] [--short]

One process; the ways to call take turns, in blocks of a few calls and in changing order. "boto3 again" is the same
as "boto3": how far it lies from 1 says how far the other ratios can be trusted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._local import ROOT, clean_environment, connection, local_service, seed_jobs
from benchmarks._report import Report

CALLS_PER_BLOCK = 10
GOAL = 1.05
BASE, AGAIN = "boto3", "boto3 again"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400, help=f"of {CALLS_PER_BLOCK} calls each way")
    parser.add_argument("--short", action="store_true", help="80 rounds, for CI")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(json.loads(options.inside))
        return
    rounds = 80 if options.short else options.rounds
    report = Report("hook", {"rounds": rounds, "calls_per_round": CALLS_PER_BLOCK})
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as folder, local_service() as control:
        work: dict[str, Any] = {
            "job": seed_jobs(control, [3600.0])[0],
            "endpoint_url": control.endpoint_url,
            "rounds": rounds,
        }
        work["result"] = str(Path(folder) / "result.json")
        environment = clean_environment(Path(folder), bench=connection(control.endpoint_url))
        command = [sys.executable, "-m", "benchmarks.hook", "--inside", json.dumps(work)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        samples = json.loads(Path(work["result"]).read_text())
    show(report, samples)
    report.write()


def show(report: Report, samples: dict[str, dict[str, list[float]]]) -> None:
    rows = []
    for name, times in samples.items():
        row: dict[str, Any] = {"name": name}
        for key in ("wall", "cpu"):
            # Of a block that met with nothing else on the machine: what disturbs only ever adds.
            row[key] = statistics.quantiles(times[key], n=4)[0] * 1e6
            row[f"{key}_median"] = statistics.median(times[key]) * 1e6
        report.rows.append(row)
    base = report.rows[0]
    for row in report.rows:
        row |= {f"{key}_ratio": row[key] / base[key] for key in ("wall", "cpu")}
        rows.append([row["name"], row["wall"], f"{row['wall_ratio']:.3f}", row["cpu"], f"{row['cpu_ratio']:.3f}"])
    headers = ["GetBackendJob by", "wall us", "against boto3", "CPU us", "against boto3"]
    report.table(headers, rows, "One call, lower quartile of all rounds")
    for row in report.rows:
        if row["name"] not in (BASE, AGAIN):
            for key, what in (("wall", "wall time"), ("cpu", "CPU")):
                measured = f"{100 * (row[f'{key}_ratio'] - 1):+.1f} %"
                report.goal(f"{row['name']}: {what} within 5 %", row[f"{key}_ratio"] <= GOAL, measured)


def measure(work: dict[str, Any]) -> None:
    """Inside the measured process."""
    ways = ways_to_call(work)
    samples: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in ways}
    for number in range(-3, work["rounds"]):
        for name in random.sample(list(ways), len(ways)):
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(CALLS_PER_BLOCK):
                ways[name]()
            if number >= 0:
                samples[name]["cpu"].append((time.process_time() - cpu) / CALLS_PER_BLOCK)
                samples[name]["wall"].append((time.perf_counter() - wall) / CALLS_PER_BLOCK)
    Path(work["result"]).write_text(json.dumps(samples))


def ways_to_call(work: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    import boto3
    from botocore.config import Config

    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    hook = AmplifyBackendHook(aws_conn_id="bench")
    job = work["job"]
    names = {"AppId": job["app_id"], "BackendEnvironmentName": job["environment"], "JobId": job["job_id"]}
    known = json.loads(os.environ["AIRFLOW_CONN_BENCH"])

    # The amazon provider's hook names Airflow in the user agent, which botocore puts together for every request.
    used: Any = hook.conn.meta.config  # botocore gives its settings at run time
    config = hook.config.merge(Config(user_agent_extra=used.user_agent_extra))

    def client() -> Any:
        session = boto3.session.Session(known["login"], known["password"], region_name=known["extra"]["region_name"])
        return session.client("amplifybackend", endpoint_url=work["endpoint_url"], config=config)

    first, second = client(), client()
    return {
        BASE: lambda: first.get_backend_job(**names),
        AGAIN: lambda: second.get_backend_job(**names),
        "hook.conn": lambda: hook.conn.get_backend_job(**names),
        "hook.call()": lambda: hook.call("GetBackendJob", names),
        "hook.get_job()": lambda: hook.get_job(job["app_id"], job["environment"], job["job_id"]),
    }


if __name__ == "__main__":
    main()
