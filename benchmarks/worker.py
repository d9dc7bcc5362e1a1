"""What a worker computes for a deferrable task: from its DAG file to the deferral, and after the wait.

    python -m benchmarks.worker [--processes 10] [--short]

Each number is the median of the CPU time of fresh processes, as a worker runs each task in one. The peer is an
operator on the amazon provider's base classes that starts the same operation and defers. The sides take turns, so that
a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_amplifybackend.local.control import LocalControl
from benchmarks._local import ACCOUNT, REGION, ROOT, clean_environment, connection, local_service
from benchmarks._report import Report, say

APP = "d000001"
SIDES = ("ours", "peer")
NAMES = {"ours": "amplifybackend", "peer": "amazon"}
PARTS = ("DAG file", "execute", "execute_complete")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=10, help="of each")
    parser.add_argument("--short", action="store_true", help="three processes of each, for CI")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--profile", choices=SIDES, help="print where the time of `execute` goes")
    options = parser.parse_args()
    if options.inside:
        measure(json.loads(options.inside))
        return
    processes = 3 if options.short else options.processes
    report = Report("worker", {"processes": processes})
    samples: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as folder, local_service() as control:
        if options.profile:
            run(control, Path(folder), options.profile, 0, profile=True)
            return
        for number in range(-1, processes):
            for side in SIDES:
                sample = run(control, Path(folder), side, number)
                # The first round is not counted: it compiles, and brings the files into memory.
                samples[side] += [sample] if number >= 0 else []
            say(f"round {number + 1} of {processes}")
    show(report, samples)
    report.write()


def run(control: LocalControl, folder: Path, side: str, number: int, *, profile: bool = False) -> dict[str, Any]:
    """Start a clone in a fresh process, and return what it took, with the requests that the service saw."""
    control.reset()
    control.seed(account=ACCOUNT, region=REGION, apps=[{"app_id": APP, "environments": ["staging"]}])
    work: dict[str, Any] = {"side": side, "target": f"copy{chr(ord('a') + number + 1)}", "profile": profile}
    work["result"] = str(folder / "result.json")
    environment = clean_environment(folder, bench=connection(control.endpoint_url))
    # What the developer's shell says about bytecode must not decide who is compiled again and again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", "--inside", json.dumps(work)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=None if profile else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{side} failed:\n{(done.stderr or '')[-3000:]}")
    sample: dict[str, Any] = json.loads(Path(work["result"]).read_text())
    requests = [entry["operation"] for entry in control.journal()]
    return {**sample, "requests": len(requests), "operations": requests}


def show(report: Report, samples: dict[str, list[dict[str, Any]]]) -> None:
    middle = {
        side: {key: statistics.median(sample[key] for sample in found) for key in (*PARTS, "requests")}
        for side, found in samples.items()
    }
    rows = []
    for side in SIDES:
        times = middle[side]
        rows.append([NAMES[side], *(times[part] for part in PARTS), times["DAG file"] + times["execute"]])
        rows[-1].append(times["requests"])
        report.rows.append({"side": side, **times, "samples": samples[side]})
    headers = ["a deferrable CloneBackend", *(f"{part}: CPU ms" for part in PARTS), "until deferred", "requests"]
    report.table(headers, rows, "One task of a worker, on top of `from airflow.sdk import DAG`")
    until = {side: times["DAG file"] + times["execute"] for side, times in middle.items()}
    measured = f"1/{until['peer'] / until['ours']:.2f}"
    report.goal("until deferred: at most the peer's", until["ours"] <= until["peer"], measured)
    report.goal(
        "execute_complete of a job that completed: without boto",
        not samples["ours"][0]["boto after the wait"],
        f"{middle['ours']['execute_complete']:.1f} ms",
    )


def measure(work: dict[str, Any]) -> None:
    """Be a worker: load the DAG file, execute, and continue after the wait."""
    from airflow.sdk import DAG

    started = time.process_time()
    operator = _ours(DAG, work["target"]) if work["side"] == "ours" else _peer(DAG, work["target"])
    measured: dict[str, Any] = {"DAG file": _since(started)}
    measured["execute"] = _execute(operator, work)
    # What continues after the wait is a process of its own, too; here, one that has loaded nothing for the request.
    child = subprocess.run(
        [sys.executable, "-c", AFTER, work["side"], work["target"]],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    measured |= json.loads(child.stdout.splitlines()[-1])
    Path(work["result"]).write_text(json.dumps(measured))


def _execute(operator: Any, work: dict[str, Any]) -> float:
    from airflow.sdk.exceptions import TaskDeferred

    profile = None
    context = _context()
    if work.get("profile"):
        import cProfile

        profile = cProfile.Profile(time.process_time)
        profile.enable()
    started = time.process_time()
    try:
        operator.execute(context)
    except TaskDeferred:
        took = _since(started)
    else:
        raise RuntimeError("it was not deferred")
    if profile:
        import pstats

        profile.disable()
        for key in ("cumulative", "tottime"):
            pstats.Stats(profile, stream=sys.stderr).sort_stats(key).print_stats(110)
    return took


AFTER = """
import json, sys
from benchmarks.worker import complete
print(json.dumps(complete(*sys.argv[1:])))
"""


def complete(side: str, target: str) -> dict[str, Any]:
    """Continue after the wait for a job that completed."""
    from airflow.sdk import DAG

    operator = _ours(DAG, target) if side == "ours" else _peer(DAG, target)
    context = _context()
    event = _event(target) if side == "ours" else {"status": "success", "job_id": "job-1"}
    before = set(sys.modules)
    started = time.process_time()
    operator.execute_complete(context, event)
    took = _since(started)
    return {
        "execute_complete": took,
        "boto after the wait": sorted({"boto3", "botocore"} & (set(sys.modules) - before)),
    }


class _Store(dict[str, Any]):
    """As much of Airflow's task state store as a start needs."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def _context() -> Any:
    instance = SimpleNamespace(
        dag_id="worker", run_id="r1", task_id="clone", map_index=-1, try_number=1, max_tries=1,
        xcom_push=lambda key, value: None,
    )  # fmt: skip
    run = SimpleNamespace(clear_number=0, start_date=None)
    return {"ti": instance, "dag_run": run, "task_state_store": _Store()}


def _event(target: str) -> dict[str, Any]:
    from airflow_provider_amplifybackend.core.job import Job, JobRef
    from airflow_provider_amplifybackend.triggers import _events as events

    job = Job(APP, target, "job-1", "CloneBackend", "COMPLETED", create_time_ms=1, update_time_ms=2)
    finished = events.finished(JobRef(APP, "job-1", (target,)), job)
    event: dict[str, Any] = json.loads(json.dumps(finished | {"outcome": "started"}))
    return event


def _since(started: float) -> float:
    return (time.process_time() - started) * 1000


def _ours(dag: Any, target: str) -> Any:
    from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator

    with dag("worker", schedule=None):
        return CloneBackendOperator(
            task_id="clone",
            app_id=APP,
            backend_environment_name="staging",
            target_environment_name=target,
            deferrable=True,
            aws_conn_id="bench",
        )


def _peer(dag: Any, target: str) -> Any:
    from benchmarks._peer import PeerCloneOperator

    with dag("worker", schedule=None):
        return PeerCloneOperator(
            task_id="clone",
            app_id=APP,
            backend_environment_name="staging",
            target_environment_name=target,
            aws_conn_id="bench",
        )


if __name__ == "__main__":
    main()
