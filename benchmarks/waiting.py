"""Many waiting jobs in one process like a triggerer: this provider against the amazon provider's waiter trigger.

    python -m benchmarks.waiting [--jobs 1 200 1000 5000] [--connections plain https role] [--short]
    python -m benchmarks.waiting --job-seconds 222 239     # jobs as long as this service's

Each number is a fresh process against a fresh local service in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from botocore.httpsession import get_cert_path

from benchmarks._local import ROOT, CountingProxy, clean_environment, completions, connection, local_service, seed_jobs
from benchmarks._report import Report, percentile, ratio, say
from tests.certificates import self_signed, server_context

SIDES = ("ours", "peer")
NAMES = {"ours": "amplifybackend", "peer": "amazon"}
KINDS = ("plain", "https", "role")
GOAL_JOBS = 1000
# Seconds. Of a long wait less is its beginning, which the peer pays dearly.
LONG_JOBS = 200.0


def main() -> None:
    options = parse_arguments()
    report = Report(
        "waiting",
        {
            "jobs": options.jobs,
            "connections": options.connections,
            "job_seconds": options.job_seconds,
            "waiter_delay": options.waiter_delay,
            "seed": options.seed,
        },
    )
    for kind in options.connections:
        for count in options.jobs:
            for side in options.sides:
                if reason := too_much(options, report.rows, side, kind, count):
                    report.note(f"{NAMES[side]}, {kind} connection, {count} jobs: left out, because {reason}")
                    continue
                result = measure(options, side, kind, count, heartbeat=False)
                if not result["problem"] and not options.profile:
                    result |= stalls_of(measure(options, side, kind, count, heartbeat=True))
                if problem := result.get("problem"):
                    report.note(f"{NAMES[side]}, {kind} connection, {count} jobs: {problem}")
                report.rows.append(result)
    if options.profile:
        return
    for kind in options.connections:
        print_tables(report, kind)
    for kind in options.connections:
        judge(report, kind)
    report.write()
    for kind in sorted(options.connections, key=KINDS.index, reverse=True):
        say_in_short(report, kind)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 200, 1000, 5000])
    parser.add_argument("--connections", nargs="+", choices=KINDS, default=["plain", "https", "role"])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--job-seconds", type=float, nargs=2, default=[30.0, 90.0], metavar=("FROM", "TO"))
    parser.add_argument("--waiter-delay", type=int, default=30, help="of both sides; 30 is the amazon provider's usual")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-minutes", type=float, default=12, help="what would take longer is left out")
    parser.add_argument("--limit-gb", type=float, default=None, help="of memory; default: 60 %% of what is available")
    parser.add_argument("--profile", choices=("cpu", "memory"), help="print where it goes; the figures are then void")
    parser.add_argument("--short", action="store_true", help="about half a minute, for CI")
    options = parser.parse_args()
    if options.short:
        options.jobs, options.connections = [50], ["plain"]
        options.job_seconds, options.waiter_delay = [3.0, 8.0], 4
    if options.limit_gb is None:
        options.limit_gb = round(0.6 * psutil.virtual_memory().available / 2**30, 1)
    return options


def too_much(options: argparse.Namespace, rows: list[dict[str, Any]], side: str, kind: str, count: int) -> str | None:
    """Why a measurement would take too much, judged by the largest one before it."""
    earlier = [row for row in rows if row["side"] == side and row["connection"] == kind]
    if not earlier:
        return None
    last = max(earlier, key=lambda row: row["jobs"])
    if last.get("problem"):
        return f"{last['jobs']} did not come to an end"
    factor = count / last["jobs"]
    if factor <= 1:
        return None
    memory, minutes = last["memory_growth"] * factor / 1024, last["cpu"] * factor / 60
    if last["jobs"] > 1 and memory > options.limit_gb:
        return f"{last['jobs']} took {last['memory_growth'] / 1024:.2f} GB, and the limit is {options.limit_gb} GB"
    if last["jobs"] > 1 and minutes > options.limit_minutes:
        return f"{last['jobs']} took {last['cpu']:.0f} CPU seconds, and the limit is {options.limit_minutes:g} minutes"
    return None


# A heartbeat of 5 ms finds the stalls, and disturbs what it measures: it has a process of its own.
OF_HEARTBEAT = (
    "stall",
    "stall_cpu",
    "stalls_over_100_ms",
    "stalls_over_200_ms",
    "stalled_seconds",
    "longest_collection",
)


def stalls_of(row: dict[str, Any]) -> dict[str, Any]:
    return {"problem": row["problem"]} | {name: row[name] for name in OF_HEARTBEAT if name in row}


def measure(options: argparse.Namespace, side: str, kind: str, count: int, *, heartbeat: bool) -> dict[str, Any]:
    """One number of jobs with one trigger, in a fresh process."""
    seconds = random.Random(options.seed)
    durations = [seconds.uniform(*options.job_seconds) for _ in range(count)]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amplify-bench-")))
        control = stack.enter_context(local_service(with_moto=kind == "role"))
        sts, bench = connect(stack, kind, home, control.endpoint_url)
        settings = {
            "side": side,
            "waiter_delay": options.waiter_delay,
            "result": str(home / "result.json"),
            "profile": options.profile,
            "heartbeat": heartbeat,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._waiting_process", json.dumps(settings)],
            cwd=ROOT,
            env=clean_environment(home, bench=bench),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if options.profile else (home / "stderr").open("w"),
            text=True,
        )
        stack.callback(end, process)
        assert process.stdin
        assert process.stdout
        if process.stdout.readline().strip() != "READY":
            raise RuntimeError(f"the waiting process did not start:\n{(home / 'stderr').read_text()[-3000:]}")
        started = time.time()
        work = {"started": started, "jobs": seed_jobs(control, durations)}
        process.stdin.write(json.dumps(work) + "\n")
        process.stdin.flush()
        row: dict[str, Any] = {"side": side, "connection": kind, "jobs": count, "problem": None}
        row |= watch(process, options)
        if row["problem"]:
            say(f"{side:5} {kind:5} {count:5}: {row['problem']}")
            return row
        result = Path(settings["result"])
        if not result.exists():
            raise RuntimeError(f"the waiting process failed:\n{(home / 'stderr').read_text()[-3000:]}")
        measured = json.loads(result.read_text())
        done = completions(control)
        delays = [at - done[job_id] for job_id, at in measured.pop("ended").items()]
        row |= measured
        row |= {
            "requests": len(control.journal()),
            "sts_calls": sts.count if sts else 0,
            "events": len(delays),
            "delay_median": percentile(delays, 0.5),
            "delay_p99": percentile(delays, 0.99),
            "delay_worst": max(delays, default=None),
        }
        if row["events"] != count:
            row["problem"] = f"{row['bad_count']} of {count} waits ended badly, e.g. {row['bad'][:1]}"
    say(
        f"{side:5} {kind:5} {count:5}: {row['cpu']:.2f} CPU s, {row['memory_growth']:.1f} MB, "
        f"stall {row['stall']:.3f} s (computing {row['stall_cpu']:.3f}), "
        f"{row['requests']} requests, {row['sts_calls']} STS, "
        f"delay {row['delay_median']:.1f} / {row['delay_p99']:.1f} s, took {row['seconds']:.0f} s"
    )
    return row


def connect(
    stack: ExitStack, kind: str, folder: Path, endpoint_url: str
) -> tuple[CountingProxy | None, dict[str, Any]]:
    """Return what counts the calls of STS, if there are any, and the connection."""
    if kind == "https":
        certificate = self_signed(folder)
        front = stack.enter_context(CountingProxy(endpoint_url, tls=server_context(certificate)))
        return None, connection(front.endpoint_url, verify=str(trusted_with(certificate, folder)))
    if kind == "role":
        sts = stack.enter_context(CountingProxy(endpoint_url))
        return sts, connection(endpoint_url, sts_endpoint_url=sts.endpoint_url)
    return None, connection(endpoint_url)


def trusted_with(certificate: Path, folder: Path) -> Path:
    """Return a file of all authorities that AWS is checked with, and ours: a client pays for loading them."""
    bundle = folder / "authorities.pem"
    usual: Any = get_cert_path(True)
    bundle.write_text(Path(usual).read_text(encoding="utf-8") + certificate.read_text())
    return bundle


def watch(process: subprocess.Popen[str], options: argparse.Namespace) -> dict[str, Any]:
    """Wait for the end; end it by force where it takes more than the machine can give, and say what it took so far."""
    seen = psutil.Process(process.pid)
    with seen.oneshot():
        cpu_before, memory_before = sum(seen.cpu_times()[:2]), seen.memory_info().rss / 2**20
    started = time.monotonic()
    while process.poll() is None:
        time.sleep(0.5)
        try:
            cpu, memory = sum(seen.cpu_times()[:2]) - cpu_before, seen.memory_info().rss / 2**20
        except psutil.Error:
            continue
        minutes = (time.monotonic() - started) / 60
        why = None
        if memory / 1024 > options.limit_gb:
            why = f"the limit of {options.limit_gb:g} GB"
        elif minutes > options.limit_minutes + options.job_seconds[1] / 60:
            why = f"{minutes:.0f} minutes"
        if why:
            grown = memory - memory_before
            problem = f"ended by force after {why}; it had taken {cpu:.0f} CPU s and {grown:.0f} MB by then"
            return {"problem": problem, "cpu_at_least": cpu, "memory_growth_at_least": grown}
    return {}


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


COLUMNS = (
    ("CPU s", "cpu"),
    ("memory growth MB", "memory_growth"),
    ("longest stall s", "stall"),
    ("of it computing s", "stall_cpu"),
    ("stalls > 0.2 s", "stalls_over_200_ms"),
    ("requests", "requests"),
    ("STS calls", "sts_calls"),
    ("median delay s", "delay_median"),
    ("p99 delay s", "delay_p99"),
)


def print_tables(report: Report, kind: str) -> None:
    rows = []
    counts = sorted({row["jobs"] for row in report.rows if row["connection"] == kind})
    for count in counts:
        ours, peer = find(report, "ours", kind, count), find(report, "peer", kind, count)
        for side, row in (("ours", ours), ("peer", peer)):
            if row:
                rows.append([count, NAMES[side], *(row.get(key) for _, key in COLUMNS)])
        if ours and peer:
            ratios = [ratio(peer.get(key), ours.get(key)) for _, key in COLUMNS]
            rows.append(["", "ratio", *(f"{value:.2g}x" if value else "-" for value in ratios)])
    report.table(["jobs", "waits with", *(name for name, _ in COLUMNS)], rows, f"Waiting, {kind} connection")
    growth = []
    first, last = counts[0], counts[-1]
    for side in SIDES:
        measured = [row for count in counts if (row := find(report, side, kind, count)) and not row["problem"]]
        if len(measured) > 1:
            first, last = measured[0], measured[-1]
            waits = last["jobs"] - first["jobs"]
            growth.append(
                [
                    NAMES[side],
                    f"{first['jobs']} to {last['jobs']}",
                    1000 * (last["cpu"] - first["cpu"]) / waits,
                    1024 * (last["memory_growth"] - first["memory_growth"]) / waits,
                    (last["requests"] - first["requests"]) / waits,
                ]
            )
    if growth:
        headers = ["each further wait", "jobs", "CPU ms", "memory KB", "requests"]
        report.table(headers, growth, "")


def find(report: Report, side: str, kind: str, count: int) -> dict[str, Any] | None:
    return next((row for row in report.rows if is_of(row, side, kind, count) and not row["problem"]), None)


def is_of(row: dict[str, Any], side: str, kind: str, count: int) -> bool:
    return (row["side"], row["connection"], row["jobs"]) == (side, kind, count)


def judged(report: Report) -> int:
    """The number of jobs that the goals are about."""
    return max((row["jobs"] for row in report.rows if row["jobs"] <= GOAL_JOBS), default=0)


def say_in_short(report: Report, kind: str) -> None:
    count = judged(report)
    ours, peer = find(report, "ours", kind, count), find(report, "peer", kind, count)
    if ours and peer:
        cpu, memory = (peer[key] / ours[key] for key in ("cpu", "memory_growth"))
        name = "waiting" if kind == "plain" else f"waiting ({kind})"
        print(
            f"{name}: jobs {count} · cpu 1/{cpu:.0f} · memory 1/{memory:.0f} · stall {ours['stall']:.2f} s · "
            f"p99 {ours['delay_p99']:.1f} against {peer['delay_p99']:.1f} s · "
            f"requests {ours['requests']} against {peer['requests']}",
            flush=True,
        )


def judge(report: Report, kind: str) -> None:
    count = judged(report)
    ours, peer = find(report, "ours", kind, count), find(report, "peer", kind, count)
    where = f"{count} jobs, {kind} connection"
    cpu_goal = 25 if report.settings["job_seconds"][0] >= LONG_JOBS else 50
    for what, key, goal in (("CPU", "cpu", cpu_goal), ("memory growth", "memory_growth", 50)):
        times, at_least = ratio(peer[key] if peer else None, ours[key] if ours else None), ""
        if times is None and ours:
            broken = next((row for row in report.rows if is_of(row, "peer", kind, count)), {})
            times, at_least = ratio(broken.get(f"{key}_at_least"), ours[key]), " or less: amazon's had not ended"
        reached = None if times is None else times >= goal
        # A lower bound can prove that the goal is reached, not that it is not.
        reached = None if at_least and not reached else reached
        report.goal(f"{where}: 1/{goal} of the {what}", reached, "-" if times is None else f"1/{times:.0f}{at_least}")
    if ours:
        measured = (
            f"{ours['stall']:.3f} s; the process computed for {ours['stall_cpu']:.3f} s at most between two beats; "
            f"the longest garbage collection took {ours['longest_collection']:.3f} s"
        )
        report.goal(f"{where}: longest stall under 0.1 s", ours["stall"] < 0.1, measured)
    if ours and peer:
        report.goal(
            f"{where}: p99 delay no worse",
            ours["delay_p99"] <= peer["delay_p99"],
            f"{ours['delay_p99']:.1f} s against {peer['delay_p99']:.1f} s",
        )
        report.goal(
            f"{where}: no more requests",
            ours["requests"] <= peer["requests"],
            f"{ours['requests']} against {peer['requests']}",
        )


if __name__ == "__main__":
    main()
