"""A crash campaign over `ephemeral_environment`: a real Airflow whose processes are killed at every step of the group.

    python -m tests.system.lease_campaign --runs 200 --seed 7
    python -m tests.system.lease_campaign --runs 40 --celery    # two workers, two triggerers, PostgreSQL, Redis

Every DAG run (dags/lease) takes an environment for a while, of which at most two may live at once for each of the two
DAGs (one waits in the triggerer, one on the worker), with tags that are shown late, and jobs that fail now and then.
Its task processes, their supervisors and the triggerer are killed with SIGKILL, as the plan of the run says, and the
body is cleared while it runs; tasks are tried again until they succeed. The service's journal is the witness.

- **left without a lease**: environments that are there at the end, and that the app has no lease for.
- **deleted while the body ran**: the body looks for its environment all the time.
- **cloned twice**: clones of one environment beyond the first that did not fail.
- **over the limit**: moments at which more environments of a group lived than may, from the accepted clone to the end
  of the deletion.
- **unfinished**: runs that have not ended as a success.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.guard.lease import parse
from tests.system.crash_attack import Components
from tests.system.crash_watch import Watch
from tests.system.engine_processes import EngineError
from tests.system.engine_services import missing_services
from tests.system.lease_oracle import LeaseVerdict, judge
from tests.system.struck import TAG_LAG, Struck, struck_airflow

if TYPE_CHECKING:
    from tests.system.engine import Executor

APP, SOURCE, LIMIT = "dlease", "staging", 2
STEPS = ("reserve", "limit", "clone", "outputs", "body", "delete", "release")
JOB_SECONDS = 2.0
STEP_TIMEOUT, RUN_TIMEOUT = 120.0, 900.0


@dataclass(frozen=True)
class Strike:
    """A kill: of what, in which task, and how long after its process came."""

    step: str
    what: str
    after: float


@dataclass(frozen=True)
class LeasePlan:
    """One run: its DAG, what is killed, and what fails in the service."""

    number: int
    deferrable: bool
    strikes: tuple[Strike, ...]
    # Scripts of the local service, each for once: an operation and a kind of fault.
    faults: tuple[tuple[str, str], ...]

    @property
    def dag_id(self) -> str:
        return "lease_deferred" if self.deferrable else "lease_worker"

    @property
    def run_id(self) -> str:
        return f"run-{self.number}"


def plan_run(seed: int, number: int) -> LeasePlan:
    """Return the plan of a run, the same each time. The first kill goes through the steps one after the other."""
    chance = random.Random(f"{seed} {number}")
    deferrable = chance.random() < 0.5
    steps = [STEPS[number % len(STEPS)], *chance.sample(STEPS, chance.randint(1, 3))]
    strikes = [
        Strike(step, chance.choice(("task", "task", "supervisor", "both")), chance.uniform(0, _lasts(step, deferrable)))
        for step in steps
    ]
    if chance.random() < 0.15:
        strikes.append(Strike("clone", "triggerer", chance.uniform(0, 2)))
    if chance.random() < 0.2:
        strikes.append(Strike("body", "clear", chance.uniform(0, 2)))
    faults = []
    if chance.random() < 0.25:
        faults.append(("CloneBackend", "job_fails"))
    if chance.random() < 0.15:
        faults.append(("DeleteBackend", "job_fails"))
    if chance.random() < 0.25:
        faults.append((chance.choice(("TagResource", "UntagResource")), chance.choice(("reset_after", "reset_before"))))
    ordered = sorted(strikes, key=lambda strike: STEPS.index(strike.step))
    return LeasePlan(number, deferrable, tuple(ordered), tuple(faults))


def _lasts(step: str, deferrable: bool) -> float:
    """Return for how long a task is likely to be there to be killed, in seconds."""
    if step == "body":
        return 3.0
    return 2.5 if step in ("limit", "clone", "delete") and not deferrable else 0.5


class LeaseCampaign:
    """One Airflow, one local service, and runs."""

    def __init__(
        self, runs: int, seed: int, folder: Path, flight: int, *, celery: bool = False, shared: Struck | None = None
    ) -> None:
        self.celery = celery
        self.plans = [plan_run(seed, number) for number in range(1, runs + 1)]
        self.folder = folder
        self.flight = flight
        self._shared = shared
        self.kills: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._states: dict[str, str] = {}
        self._lock = threading.Lock()

    def run(self) -> LeaseVerdict:
        """Make all runs, have the reaper look once, and judge what is left."""
        with self._engine() as struck, struck.service() as self.service:
            self.airflow = struck.airflow
            self.airflow.wait_ready(["lease_deferred", "lease_worker", "lease_reaper"])
            self.service.seed_app(APP, {"name": SOURCE, "auth": {"people": None}})
            self.service.set(job_seconds=JOB_SECONDS, tag_lag_seconds=TAG_LAG)
            self.components = Components(self.airflow)
            self.watches = {dag_id: Watch(self.airflow, dag_id) for dag_id in ("lease_deferred", "lease_worker")}
            for watch in self.watches.values():
                watch.start()
            over = threading.Event()
            janitor = threading.Thread(target=self.components.sweep, args=(over,), daemon=True)
            janitor.start()
            try:
                with ThreadPoolExecutor(self.flight) as pool:
                    for done in [pool.submit(self._one_run, plan) for plan in self.plans]:
                        done.result()
                reaped = self.airflow.wait_run("lease_reaper", self.airflow.trigger("lease_reaper"), 300)
                print(f"the reaper ended as {reaped}", flush=True)
                return self._judged()
            finally:
                over.set()
                janitor.join(30)
                for watch in self.watches.values():
                    watch.end()

    def _engine(self) -> AbstractContextManager[Struck]:
        if self._shared:
            return nullcontext(self._shared)
        executor: Executor = "CeleryExecutor" if self.celery else "LocalExecutor"
        return struck_airflow(self.folder / "home", "lease", executor=executor, flight=self.flight)

    # -------------------------------------------------------------------------------------------------------- runs

    def _one_run(self, plan: LeasePlan) -> None:
        for operation, kind in plan.faults:
            self.service.add_fault(operation, kind=kind, times=1)
        self.airflow.trigger(plan.dag_id, run_id=plan.run_id)
        watch = self.watches[plan.dag_id]
        watch.add(plan.run_id)
        try:
            for strike in plan.strikes:
                done = self._strike(plan, watch, strike)
                with self._lock:
                    (self.kills if done else self.missed)[f"{strike.what} in {strike.step}"] += 1
            state = self.airflow.wait_run(plan.dag_id, plan.run_id, RUN_TIMEOUT)
        except EngineError as error:
            state = f"not ended: {error}"
        finally:
            watch.drop(plan.run_id)
        self._states[plan.run_id] = state
        print(
            f"{time.strftime('%H:%M:%S')} {plan.run_id} ({plan.dag_id}): {state}; kills {self.kills.total()}",
            flush=True,
        )

    def _strike(self, plan: LeasePlan, watch: Watch, strike: Strike) -> bool:
        task_id = f"preview.{strike.step}"
        deadline = time.monotonic() + STEP_TIMEOUT
        while (process := watch.process(plan.run_id, task_id)) is None or process.dag_id != plan.dag_id:
            state = watch.task(plan.run_id, task_id).state
            is_past = state in ("success", "failed", "upstream_failed", "skipped")
            if is_past or (time.monotonic() > deadline and state is not None):
                return False
            if time.monotonic() > deadline + RUN_TIMEOUT:
                return False
            time.sleep(0.1)
        time.sleep(strike.after)
        if strike.what == "clear":
            return self._clear(plan, task_id)
        if strike.what == "triggerer":
            self.components.kill("triggerer", strike.after / 2)
            return True
        if strike.what == "supervisor" and self.celery:
            # A whole worker, with or without its children, as under LocalExecutor the supervisor is the worker.
            self.components.kill("worker", strike.after % 1)
            return True
        # The supervisor of a task that has ended is an idle worker of the executor, whose death would block all others:
        # it holds the lock of their queue.
        if not process.alive:
            return False
        if strike.what in ("supervisor", "both"):
            process.signal_supervisor(signal.SIGKILL)
        if strike.what in ("task", "both"):
            process.kill()
        return True

    def _clear(self, plan: LeasePlan, task_id: str) -> bool:
        """Clear a task of the body while it runs: with its setups, which find what they have made."""
        if self.airflow.task(plan.dag_id, plan.run_id, task_id)["state"] != "running":
            return False
        self.airflow.clear(plan.dag_id, plan.run_id, [task_id])
        return True

    def _judged(self) -> LeaseVerdict:
        time.sleep(TAG_LAG + 1)
        tags = {}
        names: list[str] = []
        for app in self.service.state()[0]["apps"]:
            if app["app_id"] == APP:
                tags = app["tags"]
                names = [one["name"] for one in app["environments"] if one["name"] != SOURCE]
        journal = self.service.journal(effective=True)
        return judge(
            journal,
            {job["JobId"]: job for job in self.service.jobs()},
            environments=names,
            tags=tags,
            groups=_groups(journal),
            limit=LIMIT,
            states=self._states,
        )


def _groups(journal: list[dict[str, Any]]) -> dict[str, str]:
    """Return the group of each environment, as its leases have said it."""
    written = [entry["parameters"]["tags"] for entry in journal if entry["operation"] == "TagResource"]
    leases = [parse(key, value) for tags in written for key, value in tags.items()]
    return {lease.environment: lease.group for lease in leases}


def main(arguments: list[str] | None = None, shared: Struck | None = None) -> int:
    """Run a campaign as the command line says.

    :param shared: The Airflow in which it runs; default: one of its own.
    """
    parser = argparse.ArgumentParser(
        description="Kill processes of a real Airflow at every step of leased environments."
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one")
    parser.add_argument("--flight", type=int, default=6, help="DAG runs at once")
    parser.add_argument("--celery", action="store_true", help="CeleryExecutor, which needs PostgreSQL and Redis")
    parser.add_argument("--folder", type=Path, default=None, help="where logs go")
    given = parser.parse_args(arguments)
    seed = random.randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="amplify-lease-"))
    if given.celery and (why_not := missing_services()):
        parser.error(f"--celery: {why_not}")
    campaign = LeaseCampaign(given.runs, seed, folder, given.flight, celery=given.celery, shared=shared)
    verdict = campaign.run()
    for finding in verdict.findings:
        print(f"  {finding}", flush=True)
    print("kills: " + ", ".join(f"{number} {what}" for what, number in sorted(campaign.kills.items())))
    print("missed: " + ", ".join(f"{number} {what}" for what, number in sorted(campaign.missed.items())))
    print(f"runs {given.runs} · kills {campaign.kills.total()} · {verdict}", flush=True)
    return 0 if verdict.is_clean and campaign.kills.total() else 1


if __name__ == "__main__":
    sys.exit(main())
