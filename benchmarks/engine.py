"""Many mapped tasks waiting at once on a running Airflow, with one real triggerer: this provider against amazon's.

    python -m benchmarks.engine [--jobs 200] [--database postgresql] [--connections plain role] [--short]

Needs what `make test-system` needs. All jobs run until every task is deferred; they are held for a while, to see what
waiting alone costs, and then end one after the other. Each side gets an Airflow of its own, started for it.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks._local import ROOT, CountingProxy, connection, local_service, seed_jobs
from benchmarks._report import Report, percentile, ratio, say
from tests.system.engine import RunningAirflow
from tests.system.engine_client import wait_until

SIDES = ("ours", "peer")
NAMES = {"ours": "amplifybackend", "peer": "amazon"}
BLOCKED = re.compile(r"async thread was blocked for ([0-9.]+)")


def main() -> None:
    options = parse_arguments()
    report = Report(
        "engine",
        {
            "jobs": options.jobs,
            "connections": options.connections,
            "database": options.database,
            "parallelism": options.parallelism,
            "hold_seconds": options.hold_seconds,
            "spread_seconds": options.spread_seconds,
        },
    )
    for kind in options.connections:
        for side in options.sides:
            report.rows.append(measure(options, side, kind))
        show(report, kind)
    report.write()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--connections", nargs="+", choices=("plain", "role"), default=["plain"])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--parallelism", type=int, default=8, help="of the LocalExecutor")
    parser.add_argument("--idle-seconds", type=float, default=20, help="before it, to know what Airflow takes anyway")
    parser.add_argument("--hold-seconds", type=float, default=60, help="for which all wait and none may go on")
    parser.add_argument("--spread-seconds", type=float, default=None, help="over which the jobs end; default: 2 a job")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="4 jobs, this provider only, for CI")
    options = parser.parse_args()
    if options.short:
        options.jobs, options.sides = 4, ["ours"]
        options.idle_seconds, options.hold_seconds = 3.0, 3.0
    if options.spread_seconds is None:
        options.spread_seconds = 2.0 * options.jobs
    return options


def measure(options: argparse.Namespace, side: str, kind: str) -> dict[str, Any]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amplify-bench-")))
        control = stack.enter_context(local_service(with_moto=kind == "role"))
        sts = stack.enter_context(CountingProxy(control.endpoint_url)) if kind == "role" else None
        bench = connection(control.endpoint_url, sts_endpoint_url=sts.endpoint_url if sts else None)
        airflow = stack.enter_context(
            RunningAirflow(
                home / "airflow",
                ROOT / "benchmarks" / "engine_dags",
                database=options.database,
                parallelism=options.parallelism,
                fast_crash_detection=False,
                connections={"bench": bench},
                env={"PYTHONPATH": str(ROOT)},
            )
        )
        dag_id = f"waits_{side}"
        say(f"{side} {kind}: Airflow ready after {airflow.wait_ready([dag_id]):.0f} s")
        jobs = seed_jobs(control, [None] * options.jobs)
        row: dict[str, Any] = {"side": side, "connection": kind, "jobs": options.jobs}
        row |= watch_run(options, airflow, control, dag_id, jobs)
        row |= {"requests": len(control.journal()), "sts_calls": sts.count if sts else 0}
    say(f"{side} {kind}: " + ", ".join(f"{name} {row[key]:.2f}" for name, key in COLUMNS if row[key] is not None))
    return row


def watch_run(
    options: argparse.Namespace, airflow: RunningAirflow, control: Any, dag_id: str, jobs: list[dict[str, str]]
) -> dict[str, Any]:
    triggerer = airflow.processes["triggerer-0"]
    idle = Meter(airflow)
    time.sleep(options.idle_seconds)
    idle_triggerer, idle_all = idle.rates()
    memory_triggerer, memory_all = triggerer.pss(), all_pss(airflow)

    earlier_log = triggerer.log()
    peak = Peak(airflow)
    whole = Meter(airflow)
    run_id = airflow.trigger(dag_id, {"jobs": jobs})
    with peak:
        wait_until(lambda: waiting(airflow, dag_id, run_id) == len(jobs), 60 + 10 * len(jobs), "all tasks deferred", 3)
        say(f"{dag_id}: all deferred after {whole.seconds:.0f} s")
        time.sleep(2)
        hold = Meter(airflow)
        time.sleep(options.hold_seconds)
        hold_triggerer, hold_all = hold.rates()
        end_jobs(options, control, jobs)
        state = airflow.wait_run(dag_id, run_id, 300 + 10 * len(jobs), every=2)
    used_triggerer, used_all = whole.used()
    tasks = airflow.tasks(dag_id, run_id)
    starts = {
        task["map_index"]: datetime.fromisoformat(task["start_date"]).timestamp()
        for task in tasks
        if task["task_id"].endswith(".after") and task["start_date"]
    }
    done = {job["JobId"]: int(job["UpdateTime"]) / 1000 for job in control.jobs() if job["Status"] == "COMPLETED"}
    delays = [starts[index] - done[job["job_id"]] for index, job in enumerate(jobs) if index in starts]
    blocked = [line for line in triggerer.log()[len(earlier_log) :].splitlines() if BLOCKED.search(line)]
    blocks = [float(BLOCKED.search(line)[1]) for line in blocked]  # type: ignore[index]
    count = len(jobs)
    return {
        "state": state,
        "seconds": whole.seconds,
        "tasks_tried_again": sum(task["try_number"] > 1 for task in tasks),
        "triggerer_cpu": (used_triggerer - idle_triggerer * whole.seconds) / count,
        "all_cpu": (used_all - idle_all * whole.seconds) / count,
        "triggerer_hold_cpu": (hold_triggerer - idle_triggerer) * 60 / count,
        "all_hold_cpu": (hold_all - idle_all) * 60 / count,
        "triggerer_memory": (peak.triggerer - memory_triggerer) / 2**20 / count,
        "all_memory": (peak.all - memory_all) / 2**20 / count,
        "blocked": len(blocked),
        "blocked_worst": max(blocks, default=0.0),
        "blocked_seconds": sum(blocks),
        "blocked_lines": blocked[:20],
        "delay_median": percentile(delays, 0.5),
        "delay_p99": percentile(delays, 0.99),
        "idle_cpu_a_minute": {"triggerer": idle_triggerer * 60, "all": idle_all * 60},
        "idle_memory": {"triggerer": memory_triggerer / 2**20, "all": memory_all / 2**20},
    }


def waiting(airflow: RunningAirflow, dag_id: str, run_id: str) -> int:
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
    return int(airflow.call("GET", path, params={"state": "deferred", "limit": 1})["total_entries"])


def end_jobs(options: argparse.Namespace, control: Any, jobs: list[dict[str, str]]) -> None:
    rng = random.Random(options.seed)
    started = time.monotonic()
    moments = sorted(rng.uniform(0, options.spread_seconds) for _ in jobs)
    for moment, job in zip(moments, rng.sample(jobs, len(jobs)), strict=True):
        time.sleep(max(0.0, started + moment - time.monotonic()))
        control.end_job(job["job_id"])


class Meter:
    """CPU seconds of the triggerer, and of all of this Airflow, since it was made."""

    def __init__(self, airflow: RunningAirflow) -> None:
        self._airflow = airflow
        self._started = time.monotonic()
        self._before = self._now()

    def _now(self) -> tuple[float, float]:
        used = {name: process.cpu_seconds() for name, process in self._airflow.processes.items()}
        return used["triggerer-0"], sum(used.values())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def used(self) -> tuple[float, float]:
        now = self._now()
        return now[0] - self._before[0], now[1] - self._before[1]

    def rates(self) -> tuple[float, float]:
        triggerer, everything = self.used()
        return triggerer / self.seconds, everything / self.seconds


class Peak:
    """The most memory (PSS) that was in use within the block, looked at every few seconds."""

    def __init__(self, airflow: RunningAirflow) -> None:
        self.triggerer = self.all = 0
        self._airflow = airflow
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(3):
            self.triggerer = max(self.triggerer, self._airflow.processes["triggerer-0"].pss())
            self.all = max(self.all, all_pss(self._airflow))


def all_pss(airflow: RunningAirflow) -> int:
    return sum(process.pss() for process in airflow.processes.values())


COLUMNS = (
    ("triggerer: CPU s a job", "triggerer_cpu"),
    ("all: CPU s a job", "all_cpu"),
    ("triggerer: CPU s a job and minute of waiting", "triggerer_hold_cpu"),
    ("all: CPU s a job and minute of waiting", "all_hold_cpu"),
    ("triggerer: memory MB a job", "triggerer_memory"),
    ("all: memory MB a job", "all_memory"),
    ("'blocked' warnings", "blocked"),
    ("longest block s", "blocked_worst"),
    ("blocked s in all", "blocked_seconds"),
    ("median s from completion to next task", "delay_median"),
    ("p99 s from completion to next task", "delay_p99"),
    ("requests", "requests"),
    ("STS calls", "sts_calls"),
)


def show(report: Report, kind: str) -> None:
    found = {row["side"]: row for row in report.rows if row["connection"] == kind}
    ours, peer = found.get("ours"), found.get("peer")
    rows = []
    for name, key in COLUMNS:
        line = [name, *(row[key] for row in found.values())]
        if ours and peer:
            times = ratio(peer[key], ours[key])
            line.append(f"{times:.2g}x" if times else "-")
        rows.append(line)
    rows.append(["tasks tried again by Airflow", *(row["tasks_tried_again"] for row in found.values())])
    headers = ["", *(NAMES[side] for side in found), "ratio"][: len(rows[0])]
    report.table(headers, rows, f"{report.settings['jobs']} mapped tasks, {kind} connection, on a running Airflow")
    for side, row in found.items():
        if row["state"] != "success":
            report.note(f"{NAMES[side]}: the DAG run ended as {row['state']}")
    if ours:
        report.goal("no 'blocked' warning", not ours["blocked"], str(ours["blocked"]))
    if ours and peer:
        for what, key in (("triggerer's CPU", "triggerer_cpu"), ("triggerer's memory", "triggerer_memory")):
            report.goal(f"less of the {what}", ours[key] < peer[key], f"{ours[key]:.3g} against {peer[key]:.3g} a job")
        report.goal(
            "the next task starts no later (p99)",
            ours["delay_p99"] <= peer["delay_p99"],
            f"{ours['delay_p99']:.1f} s against {peer['delay_p99']:.1f} s",
        )


if __name__ == "__main__":
    main()
