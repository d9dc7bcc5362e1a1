"""What an inventory of a fleet costs: how many requests, how long, and how fast they leave.

    python -m benchmarks.fleet [--apps 100] [--environments 500] [--rate 10] [--short] [--keep FOLDER]

One task, in a process of its own. There is no peer: nothing else that is known to us reads a fleet of Gen 1
environments. The goals are the budget that docs/inventory.md names.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_amplifybackend.local.control import LocalControl
from benchmarks._local import ACCOUNT, REGION, ROOT, clean_environment, connection, local_service
from benchmarks._report import Report

DAY = 86400
PER_ENVIRONMENT, PER_APP = 4, 2
MOST_SUMMARY_BYTES = 16_000
LEASE = "v=1 state=held since=20261101T000000Z until=20270101T000000Z id=1 group=2 dag=nightly run=r1"
STATUSES = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "RUNNING")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apps", type=int, default=100)
    parser.add_argument("--environments", type=int, default=500, help="of all apps together")
    parser.add_argument("--rate", type=float, default=10.0, help="requests per second")
    parser.add_argument("--short", action="store_true", help="10 apps with 50 environments, for CI")
    parser.add_argument("--keep", type=Path, help="where to put the files of the inventory")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        measure(json.loads(options.inside))
        return
    apps, environments = (10, 50) if options.short else (options.apps, options.environments)
    rate = 50.0 if options.short else options.rate
    report = Report("fleet", {"apps": apps, "environments": environments, "requests_per_second": rate})
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as folder, local_service() as control:
        pages_of_jobs = seed_fleet(control, apps, environments)
        control.clear_journal()
        work: dict[str, Any] = {"folder": folder, "rate": rate, "result": str(Path(folder) / "result.json")}
        environment = clean_environment(Path(folder), aws_default=everywhere(control.endpoint_url))
        command = [sys.executable, "-m", "benchmarks.fleet", "--inside", json.dumps(work)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(Path(work["result"]).read_text())
        times = [float(entry["time"]) for entry in control.journal()]
        if options.keep:
            shutil.copytree(Path(folder) / "inventory", options.keep, dirs_exist_ok=True)
    show(report, found, times, apps=apps, environments=environments, rate=rate, pages_of_jobs=pages_of_jobs)
    report.write()


def everywhere(endpoint_url: str) -> dict[str, Any]:
    """A connection whose services are all the local one."""
    made = connection(endpoint_url)
    return {**made, "extra": {"region_name": REGION, "endpoint_url": endpoint_url}}


def seed_fleet(control: LocalControl, apps: int, environments: int) -> int:
    """Make a fleet of all kinds, always the same, and return how many further pages its lists of jobs have."""
    chance = random.Random(16)
    further = 0
    for number in range(apps):
        share = environments * (number + 1) // apps - environments * number // apps
        names = [f"e{index}" for index in range(share)]
        made, jobs = [], []
        for name in names:
            kinds = {kind: {f"my{kind}": None} for kind in ("auth", "api", "storage") if chance.random() < 0.6}
            made.append({"name": name, "age_seconds": chance.randrange(1, 700) * DAY, **kinds})
            count = chance.choice((0, 1, 3, 8, 20, 40))
            further += max(0, count - 1) // 25
            for index in range(count):
                status = chance.choice(STATUSES) if index == count - 1 else "COMPLETED"
                age = chance.randrange(1, 30) * DAY / (index + 1)
                jobs.append({"environment": name, "status": status, "age_seconds": age})
        tags = {f"amplifybackend:lease:{names[0]}": LEASE} if names else {}
        app = {"app_id": f"d{number:06d}", "app_name": f"shop {number}", "environments": made, "jobs": jobs}
        control.seed(account=ACCOUNT, region=REGION, apps=[{**app, "tags": tags}])
    return further


def show(
    report: Report,
    found: dict[str, Any],
    times: Sequence[float],
    *,
    apps: int,
    environments: int,
    rate: float,
    pages_of_jobs: int,
) -> None:
    summary = found["summary"]
    known = PER_ENVIRONMENT * environments + PER_APP * apps + pages_of_jobs
    pages = len(times) - known
    fastest = busiest_second(times)
    row = {
        "environments": summary["environments"],
        "requests": len(times),
        "of lists": pages,
        "seconds": summary["seconds"],
        "busiest second": fastest,
        "CPU s": found["cpu"],
        "peak MB": found["peak_mb"],
        "report kB": found["report_kb"],
        "summary bytes": found["summary_bytes"],
        "XCom for the page kB": found["page_kb"],
    }
    report.rows.append(row)
    report.table(list(row), [list(row.values())])
    report.goal("every environment is a row", summary["environments"] == environments, str(summary["environments"]))
    report.goal("nothing could not be read", summary["errors"] == 0, str(summary["errors"]))
    report.goal(
        f"{PER_ENVIRONMENT} requests for an environment, {PER_APP} for an app, and the pages of lists",
        0 < pages <= 1 + apps // 100 + environments * 5 // 100 + 1,
        f"{len(times)} = {known} and {pages} pages of apps and stacks",
    )
    report.goal("what the task counts is what arrives", summary["requests"] == len(times), str(summary["requests"]))
    report.goal("no second has more requests than the budget", fastest <= rate + 1, f"{fastest} of {rate:g}")
    report.goal("something is left for the page", found["page_kb"] > 0, f"{found['page_kb']:.0f} kB")
    report.goal("the summary fits", found["summary_bytes"] <= MOST_SUMMARY_BYTES, f"{found['summary_bytes']} bytes")


def busiest_second(times: Sequence[float]) -> int:
    """The most requests that arrived within any second, by the service's clock."""
    ordered, first, most = sorted(times), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


class LeftBehind:
    """The task instance, as far as the operator needs one: it takes the XCom for the page in Airflow's UI."""

    size = 0

    def xcom_push(self, key: str, value: Any) -> None:
        self.size += len(json.dumps(value).encode())


def measure(work: dict[str, Any]) -> None:
    """Inside the measured process."""
    from airflow_provider_amplifybackend.operators.inventory import BackendInventoryOperator

    folder = Path(work["folder"]) / "inventory"
    task = BackendInventoryOperator(task_id="inventory", path=str(folder), requests_per_second=work["rate"])
    began = time.process_time()
    execute: Any = BackendInventoryOperator.execute
    left = LeftBehind()
    summary = execute.__wrapped__(task, {"ti": left})  # without Airflow's check of who calls it
    result = {
        "summary": summary,
        "cpu": time.process_time() - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "report_kb": (folder / "report.html").stat().st_size / 1024,
        "summary_bytes": len(json.dumps(summary).encode()),
        "page_kb": left.size / 1024,
    }
    Path(work["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
