"""Run the example DAG on SQLite and the local AmplifyBackend, and check in the service that it did what it says.

    python scripts/demo.py [--fail-check] [--stay] [--job-seconds 2.5] [--verbose]

Everything lives in a temporary directory and ends with this process. With --stay that is when it is told to: Airflow's
UI, scheduler and triggerer run on the same database until then, and the service stays up. Of the shell that it is
started from it takes no setting of Airflow or AWS.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

ROOT = Path(__file__).resolve().parent.parent
DAG_ID = "example_ephemeral_environment"
APP_ID = "d1example"
SOURCE = "staging"
# A terminal that is closed sends SIGHUP.
ENDS = (signal.SIGTERM, signal.SIGHUP)
EXPECTED_OPERATIONS = ["CloneBackend", "CreateBackendAuth", "DeleteBackend"]


def main() -> int:
    options = parse_arguments()
    # As an exception, so that what was started ends and what was made is removed.
    for number in ENDS:
        signal.signal(number, end_in_order)
    try:
        return demonstrate(options)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def end_in_order(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def demonstrate(options: argparse.Namespace) -> int:
    from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
    from airflow_provider_amplifybackend.local.testing.isolated_airflow import isolate_airflow, leave_aws

    began = time.monotonic()
    home = isolate_airflow(ROOT / "example_dags")
    leave_aws(home)
    with LocalAmplifyBackend(job_seconds=options.job_seconds) as service:
        say(f"local AmplifyBackend on {service.endpoint_url}; open {service.endpoint_url}/ to watch it")
        seed(service)
        prepare_airflow(service, verbose=options.verbose)
        say("Airflow's metadata database is ready; running the DAG")
        run = run_dag(options, service)
        problems = report(run, service, fail_check=options.fail_check)
        problems += refused_deletion(service)
        say(f"done in {time.monotonic() - began:.0f} s")
        for problem in problems:
            print(f"NOT AS IT SHOULD BE: {problem}", flush=True)
        if options.stay:
            stay(home, service)
    return 1 if problems else 0


def stay(home: Path, service: LocalAmplifyBackend) -> None:
    """Keep the service up, with Airflow's UI, scheduler and triggerer, until SIGINT or SIGTERM."""
    from demo_airflow import DemoAirflow

    service.control.unlock(APP_ID, SOURCE)
    ended = threading.Event()
    for number in (signal.SIGINT, *ENDS):
        # A second one, while everything ends, changes nothing.
        signal.signal(number, lambda *_: ended.set())
    with DemoAirflow(home) as airflow:
        say("starting Airflow's UI, scheduler, DAG processor and triggerer (about a gigabyte of memory)")
        up = False
        while not ended.wait(0.3):
            airflow.check()
            if not up and airflow.answers():
                up = True
                say(f"Airflow's UI:                 {airflow.url}/dags/{DAG_ID}")
                say(f"the local AmplifyBackend:     {service.endpoint_url}/")
                say("trigger the DAG in the one and watch it in the other; Ctrl-C ends everything")
        say("ending everything")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fail-check", action="store_true", help="let the user's check fail, to see the teardown run")
    parser.add_argument(
        "--stay", action="store_true", help="keep the service up, with Airflow's UI on the same database, until Ctrl-C"
    )
    parser.add_argument("--job-seconds", type=float, default=2.5, help="how long a job of the local service takes")
    parser.add_argument("--verbose", action="store_true", help="show Airflow's own log")
    return parser.parse_args()


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def seed(service: LocalAmplifyBackend) -> None:
    """Make an app with the environment that is to be cloned."""
    service.client().create_backend(AppId=APP_ID, AppName="example", BackendEnvironmentName=SOURCE)
    service.control.advance(3600)


def prepare_airflow(service: LocalAmplifyBackend, *, verbose: bool) -> None:
    """Point Airflow, in the home that is isolated already, at the service, before anything of it is imported."""
    from airflow_provider_amplifybackend.local.testing.isolated_airflow import service_variables

    os.environ |= {
        **service.endpoint_variables,
        **service_variables(service.endpoint_url),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO" if verbose else "ERROR",
        "PYTHONWARNINGS": "ignore",
    }
    migrate = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], capture_output=True, text=True, check=False
    )
    if migrate.returncode:
        raise SystemExit(f"airflow db migrate failed:\n{migrate.stdout}{migrate.stderr}")


def run_dag(options: argparse.Namespace, service: LocalAmplifyBackend) -> Any:
    """Run the DAG through Airflow: real task processes' code, a real trigger, a real database."""
    import warnings

    warnings.simplefilter("ignore")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "example_dags" / f"{DAG_ID}.py")
    if bag.import_errors:
        raise SystemExit(f"the example DAG does not import: {bag.import_errors}")
    conf = {"app_id": APP_ID, "source": SOURCE, "fail_check": options.fail_check}
    with progress(service):
        return bag.dags[DAG_ID].test(run_conf=conf)


@contextmanager
def progress(service: LocalAmplifyBackend) -> Iterator[None]:
    """Say each change of a task in Airflow's database and of a job in the service, as it happens."""
    database = sqlite3.connect(
        f"file:{os.environ['AIRFLOW_HOME']}/airflow.db?mode=ro", uri=True, check_same_thread=False
    )
    ended = threading.Event()

    def watch() -> None:
        seen: dict[str, str] = {}
        while not ended.wait(0.2):
            for what, state in current_states(database, service):
                if seen.get(what) != state:
                    seen[what] = state
                    say(f"  {what}: {state}")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        database.close()


def current_states(database: sqlite3.Connection, service: LocalAmplifyBackend) -> Iterator[tuple[str, str]]:
    with suppress(sqlite3.OperationalError):  # locked for a moment
        for task, state in database.execute("SELECT task_id, state FROM task_instance WHERE state IS NOT NULL"):
            yield f"task {task}", state
    for job in service.control.jobs():
        if job["BackendEnvironmentName"] != SOURCE:
            yield f"    job {job['Operation']} of {job['BackendEnvironmentName']}", job["Status"]


def report(run: Any, service: LocalAmplifyBackend, *, fail_check: bool) -> list[str]:
    """Print what happened, and return what should not have."""
    tasks = sorted(run.get_task_instances(), key=lambda task: str(task.start_date))
    clone_name = None
    print(f"\n{'task':<14} {'state':<10} {'seconds':>7}  job")
    for task in tasks:
        result = task.xcom_pull(task_ids=task.task_id) or {}
        if task.task_id == "reserve_name":
            clone_name = result
        job = result.get("JobId") if isinstance(result, dict) else None
        seconds = (task.end_date - task.start_date).total_seconds() if task.end_date else 0
        print(f"{task.task_id:<14} {task.state!s:<10} {seconds:>7.1f}  {job or '-'}")
    print()
    return list(problems(run, tasks, service, clone_name, fail_check=fail_check))


def refused_deletion(service: LocalAmplifyBackend) -> list[str]:
    """Try to delete an environment that a migration has locked, and return what should not have happened."""
    from airflow_provider_amplifybackend.exceptions import BackendGuardError
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    service.control.lock(APP_ID, SOURCE)
    known = max((entry["seq"] for entry in service.control.journal()), default=0)
    say(f"environment {SOURCE} is now locked by a Gen 2 migration; trying to delete it")
    try:
        AmplifyBackendHook().start_operation("DeleteBackend", {"AppId": APP_ID, "BackendEnvironmentName": SOURCE})
    except BackendGuardError as refusal:
        say(f"  {refusal}")
    sent = service.control.journal("DeleteBackend", after=known)
    return [f"the service was asked to delete the locked environment {SOURCE}"] if sent else []


def problems(
    run: Any, tasks: list[Any], service: LocalAmplifyBackend, clone_name: Any, *, fail_check: bool
) -> Iterator[str]:
    states = {task.task_id: str(task.state) for task in tasks}
    expected = dict.fromkeys(states, "success") | ({"check": "failed"} if fail_check else {})
    if states != expected or len(states) != 5:
        yield f"tasks ended as {states}"
    if str(run.state) != ("failed" if fail_check else "success"):
        yield f"the run is {run.state}"
    starts = [
        entry for entry in service.control.journal() if entry["effective"] and entry["operation"] in EXPECTED_OPERATIONS
    ]
    if [entry["operation"] for entry in starts] != EXPECTED_OPERATIONS:
        yield f"the service was asked to start {[entry['operation'] for entry in starts]}"
    cloned = [entry["parameters"] for entry in starts if entry["operation"] == "CloneBackend"]
    say(f"the service saw the clone {[request['TargetEnvironmentName'] for request in cloned]} made")
    if not clone_name or [request["TargetEnvironmentName"] for request in cloned] != [clone_name]:
        yield f"the service cloned {cloned}, the DAG reserved {clone_name}"
    left = service.client().get_backend(AppId=APP_ID)["BackendEnvironmentList"]
    say(f"the service has the environments {left} left")
    if left != [SOURCE]:
        yield f"environments left: {left}"


if __name__ == "__main__":
    sys.exit(main())
