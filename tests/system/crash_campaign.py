"""A crash campaign: a real Airflow starts jobs in the local AmplifyBackend while its processes are killed.

    python -m tests.system.crash_campaign --kills 500 --seed 7

Every DAG run (dags/crash) clones an environment of its own, gives it auth, changes that, and deletes it: four tasks,
four jobs of some seconds. Each task is attacked several times, as `crash_plan` chooses from the seed: at named steps of
its start (`crash_attack` says how a task is caught there) or at any moment, its process, its supervisor (the process
then lives on as an orphan), both, a Celery worker, a triggerer or the scheduler is killed with SIGKILL, is stopped
for a while, beyond the time at which Airflow takes it for dead and tries again beside it, or the task is cleared. Only
SIGKILLs count as kills. Runs go on in parallel, and one that has ended is sometimes cleared as a whole and goes again.

The last line is `kills K · duplicates D · lost L · unfinished U`, and the exit status is 0 only if the last three are.

What is right
-------------
The service's journal is the witness. The environment's name is the run's own, so that an accepted start of
`CreateBackendAuth` in environment `env7` belongs to the task instance `create_auth` of the seventh run.

- A *round* is an order to do the task: the run itself, and each clear of the whole run after it has ended ("do it
  again": its delete has completed, so the clone has to be made again). Clearing a task under way is no order for
  another job: it is only done while the job has not been started or runs for another 1.5 s at least, and the job
  must then be adopted, even if it ends before the next try looks at it.
- **duplicates**: accepted starts of a task instance beyond one per round, and one more for each of its jobs that ended
  as FAILED (the plan makes some fail, so that a retry has to start another).
- **lost**: jobs whose id their task instance does not know at the end of any round, from its XCom or from its state
  store, and jobs that are not finished though their run has succeeded. Of a job that ended as FAILED it is enough that
  another start followed.
- **unfinished**: rounds that have not ended after the time-out, or as anything but a success, and successes without a
  start per round. Tasks have more retries than a plan has strikes.

The control, `--naive`, runs the same plans against operators that submit and then wait.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.system.crash_attack import JOB_SECONDS, STATE_KEY, Attacker, Components, Tally, TaskOverError
from tests.system.crash_oracle import Round, Verdict, judge
from tests.system.crash_plan import TASKS, RunPlan, plan_run
from tests.system.crash_watch import Watch
from tests.system.engine_processes import EngineError
from tests.system.engine_services import missing_services
from tests.system.struck import FLIGHT, Struck, struck_airflow

if TYPE_CHECKING:
    from tests.system.engine import Executor

APP, SOURCE = "dcrash", "staging"
TASK_TIMEOUT = 240.0
# A kill is rarely the last of its run: what is left of it has to end as well.
CELERY_SHARE = 0.2


@dataclass(frozen=True)
class Options:
    """What a campaign is asked to do."""

    kills: int
    seed: int
    naive: bool = False
    flight: int = FLIGHT
    celery_share: float = CELERY_SHARE
    folder: Path | None = None
    first: int = 1

    @property
    def dag_id(self) -> str:
        return "crash_naive" if self.naive else "crash"


class Campaign:
    """One Airflow, one local service, and runs until enough has been killed."""

    def __init__(
        self, options: Options, executor: Executor, kills: int, folder: Path, shared: Struck | None = None
    ) -> None:
        self.options = options
        self.executor = executor
        self.folder = folder
        self._shared = shared
        self.tally = Tally(kills)
        self.verdict = Verdict()
        self.runs = 0
        self._numbers = iter(range(options.first, 10**6))
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def run(self) -> Verdict:
        """Run until all kills are made and every run has ended."""
        with self._engine() as struck, struck.service("--job-seconds", str(JOB_SECONDS)) as self.service:
            self.airflow = struck.airflow
            self.airflow.wait_ready([self.options.dag_id])
            self.service.seed_app(APP, SOURCE)
            self.components = Components(self.airflow)
            self.watch = Watch(self.airflow, self.options.dag_id)
            self.watch.start()
            self._began = time.monotonic()
            over = threading.Event()
            janitor = threading.Thread(target=self.components.sweep, args=(over,), daemon=True)
            janitor.start()
            try:
                with ThreadPoolExecutor(self.options.flight) as pool:
                    for done in [pool.submit(self._lane) for _ in range(self.options.flight)]:
                        done.result()
            finally:
                over.set()
                janitor.join(30)
                self.watch.end()
        return self.verdict

    def _engine(self) -> AbstractContextManager[Struck]:
        if self._shared:
            return nullcontext(self._shared)
        return struck_airflow(self.folder / "home", "crash", executor=self.executor, flight=self.options.flight)

    # -------------------------------------------------------------------------------------------------------- runs

    def _lane(self) -> None:
        while self.tally.total < self.tally.wanted:
            with self._lock:
                number = next(self._numbers)
            plan = plan_run(self.options.seed, number, celery=self.executor == "CeleryExecutor")
            verdict = self._one_run(plan)
            with self._lock:
                self.runs += 1
                self.verdict += verdict
            self._report(verdict)

    def _one_run(self, plan: RunPlan) -> Verdict:
        story: list[str] = []

        def note(text: str) -> None:
            story.append(f"{time.strftime('%H:%M:%S')} {text}")

        rounds: list[Round] = []
        conf = {"environment": plan.environment, "deferrable": plan.deferrable}
        run_id = f"run-{plan.number}"
        try:
            for task_id in sorted(plan.failing):
                operation = {"create_auth": "CreateBackendAuth", "update_auth": "UpdateBackendAuth"}[task_id]
                self.service.add_fault(operation, kind="job_fails", environment=plan.environment, times=1)
            self.airflow.trigger(self.options.dag_id, conf=conf, run_id=run_id)
            self.watch.add(run_id)
            for index, attacks in enumerate(plan.rounds):
                if index:
                    if rounds[-1].state != "success" or self.tally.total >= self.tally.wanted:
                        break
                    self._go_again(run_id, note)
                rounds.append(self._round(plan, run_id, attacks, note))
        except Exception:
            note(traceback.format_exc())
            rounds.append(Round("broken off", {}))
        finally:
            self.watch.drop(run_id)
        journal = self.service.journal(effective=True, environment=plan.environment)
        jobs = {job["JobId"]: job for job in self.service.jobs()}
        verdict = judge(plan.environment, rounds, [entry for entry in journal if entry["job_id"]], jobs)
        if not verdict.is_clean:
            self._write_story(plan, run_id, story, verdict)
        return verdict

    def _go_again(self, run_id: str, note: Any) -> None:
        self.airflow.clear(self.options.dag_id, run_id)
        note("the whole run was cleared")
        deadline = time.monotonic() + 60
        while self.watch.task(run_id, TASKS[-1]).state == "success" and time.monotonic() < deadline:
            time.sleep(0.2)

    def _round(self, plan: RunPlan, run_id: str, attacks: dict[str, Any], note: Any) -> Round:
        # All of them now: an attack on one task can last until the next has its job, which is then of this round, too.
        attackers = {task_id: self._attacker(plan, run_id, task_id, note) for task_id in TASKS}
        for task_id, attacker in attackers.items():
            for attack in attacks[task_id]:
                if not self.tally.reserve():
                    break
                outcome = "missed"
                try:
                    outcome = attacker.attack(attack)
                    note(f"{task_id}: {attack}: {outcome}")
                except TaskOverError:
                    break
                finally:
                    self.tally.settle(attack, outcome, attacker.landed)
            if not self._ends_well(run_id, task_id):
                break
        try:
            state = self.airflow.wait_run(self.options.dag_id, run_id, 60)
        except EngineError as error:
            state = "not ended"
            note(str(error))
        return Round(state, {task_id: self._known(run_id, task_id) for task_id in TASKS})

    def _attacker(self, plan: RunPlan, run_id: str, task_id: str, note: Any) -> Attacker:
        return Attacker(
            self.airflow,
            self.service,
            self.watch,
            self.components,
            dag_id=self.options.dag_id,
            run_id=run_id,
            task_id=task_id,
            environment=plan.environment,
            note=note,
        )

    def _ends_well(self, run_id: str, task_id: str) -> bool:
        deadline = time.monotonic() + TASK_TIMEOUT
        while (state := self.watch.task(run_id, task_id).state) != "success":
            if state in ("failed", "upstream_failed") or time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def _known(self, run_id: str, task_id: str) -> set[str]:
        """The job that a task instance knows of: its result, or what it has stored."""
        where = (self.options.dag_id, run_id, task_id)
        known: set[str | None] = set()
        with suppress(EngineError):
            known.add((self.airflow.xcom(*where) or {}).get("JobId"))
        with suppress(EngineError):
            known.add((self.airflow.state_store(*where).get(STATE_KEY) or {}).get("job_id"))
        return {job_id for job_id in known if job_id}

    # ----------------------------------------------------------------------------------------------------- reports

    def _report(self, verdict: Verdict) -> None:
        minutes = (time.monotonic() - self._began) / 60
        everything = self.verdict
        print(
            f"{time.strftime('%H:%M:%S')} {self.executor}: {self.tally.total}/{self.tally.wanted} kills "
            f"({self.tally.total / minutes:.1f} a minute), {self.tally.others.total()} other strikes, "
            f"{self.tally.missed.total()} missed; {self.runs} runs; duplicates {everything.duplicates}, "
            f"lost {everything.lost}, unfinished {everything.unfinished}",
            flush=True,
        )
        for finding in verdict.findings:
            print(f"  {finding}", flush=True)

    def _write_story(self, plan: RunPlan, run_id: str, story: list[str], verdict: Verdict) -> None:
        """Everything that tells how it came to what was found."""
        dag_id = self.options.dag_id
        lines = [*verdict.findings, "", repr(plan), "", *story, ""]
        for entry in self.service.journal(environment=plan.environment):
            when = time.strftime("%H:%M:%S", time.localtime(entry["time"]))
            lines.append(
                f"{when} {entry['operation']} {entry['status_code']} {entry['error_code'] or ''} "
                f"{entry['job_id'] or ''} {entry['faults'] or ''}"
            )
        with suppress(EngineError):
            for task_id in TASKS:
                for one in self.airflow.tries(dag_id, run_id, task_id):
                    number = one["try_number"]
                    lines += ["", f"--- {task_id} try {number}: {one['state']} {one['start_date']} {one['end_date']}"]
                    with suppress(EngineError):
                        lines += [
                            f"{line.get('timestamp', '')} {line.get('event')} {line.get('error_detail', '')}"[:600]
                            for line in self.airflow.logs(dag_id, run_id, task_id, number)
                        ]
        file = self.folder / f"{run_id}.txt"
        file.write_text("\n".join(map(str, lines)))
        print(f"  the story of {run_id}: {file}", flush=True)


def run_campaign(options: Options, shared: Struck | None = None) -> tuple[int, Verdict]:
    """Run all parts of a campaign; returns the number of kills and what was found.

    :param shared: Where the part under LocalExecutor runs; default: in an Airflow of its own.
    """
    folder = options.folder or Path(tempfile.mkdtemp(prefix="amplify-crash-"))
    celery, why_not = round(options.kills * options.celery_share), missing_services()
    if celery and why_not:
        print(f"no part with Celery: {why_not}", flush=True)
        celery = 0
    parts: list[tuple[Executor, int]] = [("LocalExecutor", options.kills - celery), ("CeleryExecutor", celery)]
    total, verdict = 0, Verdict()
    counted: dict[str, Counter[str]] = {"kills": Counter(), "other strikes": Counter(), "tasks died": Counter()}
    counted["parts of Airflow that ended by themselves"] = Counter()
    began = time.monotonic()
    for executor, wanted in parts:
        if not wanted:
            continue
        there = shared if executor == "LocalExecutor" else None
        campaign = Campaign(options, executor, wanted, folder / executor, there)
        campaign.folder.mkdir(parents=True, exist_ok=True)
        verdict += campaign.run()
        total += campaign.tally.total
        counted["kills"] += campaign.tally.kills
        counted["other strikes"] += campaign.tally.others
        counted["tasks died"] += campaign.tally.landed
        counted["parts of Airflow that ended by themselves"] += campaign.components.died
    for what, numbers in counted.items():
        print(f"{what}: " + ", ".join(f"{number} {name}" for name, number in sorted(numbers.items())))
    print(f"{total} kills in {(time.monotonic() - began) / 60:.1f} minutes, starts and ends included")
    return total, verdict


def main(arguments: list[str] | None = None, shared: Struck | None = None) -> int:
    """Run a campaign as the command line says.

    :param shared: Where the part under LocalExecutor runs; default: in an Airflow of its own.
    """
    parser = argparse.ArgumentParser(description="Kill processes of a real Airflow, and count jobs.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one")
    parser.add_argument("--naive", action="store_true", help="the control: operators that submit and then wait")
    parser.add_argument("--flight", type=int, default=FLIGHT, help="DAG runs at once")
    parser.add_argument("--celery-share", type=float, default=CELERY_SHARE, help="part of the kills under Celery")
    parser.add_argument("--first", type=int, default=1, help="number of the first run, to go again from there")
    parser.add_argument("--folder", type=Path, default=None, help="where logs and findings go")
    given = parser.parse_args(arguments)
    seed = random.randrange(10**6) if given.seed is None else given.seed
    options = Options(given.kills, seed, given.naive, given.flight, given.celery_share, given.folder, given.first)
    print(f"seed {seed}", flush=True)
    total, verdict = run_campaign(options, shared)
    print(
        f"kills {total} · duplicates {verdict.duplicates} · lost {verdict.lost} · unfinished {verdict.unfinished}",
        flush=True,
    )
    return 0 if verdict.is_clean and total >= given.kills else 1


if __name__ == "__main__":
    sys.exit(main())
