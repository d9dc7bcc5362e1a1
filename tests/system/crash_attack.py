"""How a task is caught at a step of its start, from outside, and what is done to it there.

Most steps are held open by a fault in the local service: a look or a start that takes `HOLD` seconds longer, before or
after it takes effect. Two need the supervisor: a task process that has its supervisor stopped runs on until it wants
something of Airflow, and the state store is the first that it wants after its look, and after its answer. So a stopped
supervisor holds the task at the write of its intent, or of its job's id; what the supervisor finds in the socket when
it goes on, after the task has died, is that write. An orphan that sleeps from there until another try's job has
completed, and then wakes up just before it would send, is made in the same way.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.system.engine_processes import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_amplifybackend.local.control import LocalControl
    from tests.system.crash_plan import Attack
    from tests.system.crash_watch import Watch
    from tests.system.engine import RunningAirflow
    from tests.system.engine_processes import TaskProcess

OPERATIONS = {
    "clone": "CloneBackend",
    "create_auth": "CreateBackendAuth",
    "update_auth": "UpdateBackendAuth",
    "delete": "DeleteBackend",
}
JOB_SECONDS = 4.0
HOLD = 3.0
LIST_LAG = 2.0
STATE_KEY = "amplifybackend_start"
# From the look's end to the write of the intent, and from the answer's end to the write of the id, on a busy machine.
REACHES_WRITE = 1.5
# Longer than Airflow waits for a sign of life of a task.
LONG_PAUSE = 18.0
STEP_TIMEOUT = 75.0
CLEARS_UNTIL_LEFT = 1.5


class TaskOverError(Exception):
    """The task ended before the step came."""


class Missed(Exception):  # noqa: N818
    """The step did not come."""


@dataclass
class Tally:
    """What was struck. `reserve` hands out the kills that are left, so that a campaign makes exactly as many."""

    wanted: int
    kills: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    # What was known of the task's job when its process had died.
    landed: Counter[str] = field(default_factory=Counter)
    _reserved: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        return self.kills.total()

    def reserve(self) -> bool:
        with self._lock:
            if self.total + self._reserved >= self.wanted:
                return False
            self._reserved += 1
            return True

    def settle(self, attack: Attack, outcome: str, landed: str | None) -> None:
        """Give back what was reserved: a kill, another strike, or nothing that was struck."""
        with self._lock:
            self._reserved -= 1
            {"kill": self.kills, "other": self.others, "missed": self.missed}[outcome][str(attack)] += 1
            if landed:
                self.landed[landed] += 1


class Components:
    """Kills and restarts parts of Airflow, one at a time: the others must be there to recover."""

    def __init__(self, airflow: RunningAirflow) -> None:
        self._airflow = airflow
        self._lock = threading.Lock()
        # By name: how often a part ended though nobody had struck it.
        self.died: Counter[str] = Counter()

    def revive(self) -> None:
        """Start what has ended by itself, as every deployment's supervisor does.

        Airflow 3.3's scheduler does so now and then when tasks are cleared under it ("Failed to add object to the
        flush context!"): without this a campaign would end there.
        """
        with self._lock:
            for name, process in self._airflow.processes.items():
                if not process.running:
                    self.died[name] += 1
                    process.start()

    def sweep(self, over: threading.Event) -> None:
        """Start what has died by itself; and killed schedulers leave workers that wait for ever and hold memory."""
        while not over.wait(5):
            with suppress(EngineError):
                self.revive()
                for process in self._airflow.idle_orphans():
                    with suppress(Exception):
                        process.kill()

    def kill(self, kind: str, detail: float) -> None:
        with self._lock:
            names = [name for name in self._airflow.processes if name.split("-")[0] == kind]
            process = self._airflow.processes[names[int(detail * 1000) % len(names)]]
            # Either the main process only, whose children live on, or all of it, as if the machine had died.
            process.kill(tree=detail < 0.5)
            process.restart()
            # Time to come up: otherwise a campaign would mostly wait for components.
            time.sleep(8 if kind == "scheduler" else 4)

    def pause(self, kind: str, detail: float) -> None:
        with self._lock:
            process = next(process for name, process in self._airflow.processes.items() if name.startswith(kind))
            process.stop(tree=True)
            try:
                time.sleep(2 + 8 * detail)
            finally:
                process.cont(tree=True)


class Attacker:
    """Carries out the attacks on one task instance."""

    def __init__(
        self,
        airflow: RunningAirflow,
        service: LocalControl,
        watch: Watch,
        components: Components,
        *,
        dag_id: str,
        run_id: str,
        task_id: str,
        environment: str,
        note: Callable[[str], None],
    ) -> None:
        self.airflow = airflow
        self.service = service
        self.watch = watch
        self.components = components
        self.dag_id, self.run_id, self.task_id = dag_id, run_id, task_id
        self.environment = environment
        self.operation = OPERATIONS[task_id]
        self.note = note
        # What there was before this round.
        self.accepted_before = len(self._accepted())
        self.requests_before = len(service.journal(self.operation, environment=environment))
        self._stored_before: dict[str, Any] = {}
        with suppress(EngineError):
            self._stored_before = airflow.state_store(dag_id, run_id, task_id).get(STATE_KEY) or {}
        self.landed: str | None = None

    def attack(self, attack: Attack) -> str:
        """Carry it out; returns "kill", "other" or "missed", and leaves in `landed` where a kill came.

        :raises TaskOverError: the task ended first.
        """
        self.landed = None
        try:
            done = getattr(self, "_at_" + attack.step.replace(",", "").replace(" ", "_"))(attack)
        except Missed as missed:
            self.note(f"missed {attack}: {missed}")
            return "missed"
        if done is None:
            self.note(f"missed {attack}: nothing there to strike")
            return "missed"
        if done == "kill" and attack.strike in ("task", "supervisor", "both"):
            with suppress(EngineError):
                self.landed = self._where()
        return str(done)

    def _where(self) -> str:
        """Between which two steps the task is, for everybody but its process."""
        stored = self.airflow.state_store(self.dag_id, self.run_id, self.task_id).get(STATE_KEY) or {}
        entries = self.service.journal(self.operation, environment=self.environment)
        requests = len(entries) - self.requests_before
        if stored.get("job_id") and self._new_job():
            return "id stored"
        if self._new_job():
            return "accepted, id not stored"
        if self._stored_before != stored:
            return "intent stored, request refused" if requests else "intent stored, request not seen by the service"
        return "before the intent"

    # ------------------------------------------------------------------------------------------------ steps

    def _at_begins(self, attack: Attack) -> str | None:
        self._until(self._process, "process")
        time.sleep(attack.moment * 1.5)
        return self._strike(attack)

    def _at_looks(self, attack: Attack) -> str | None:
        with self._fault(operation="ListBackendJobs", kind="delay", seconds=HOLD) as struck:
            self._until(struck, "look")
            time.sleep(attack.moment * HOLD * 0.7)
            return self._strike(attack)

    def _at_intent_stored(self, attack: Attack) -> str | None:
        with self._fault(operation="ListBackendJobs", kind="delay", seconds=1.0) as struck:
            self._until(struck, "look")
            return self._die_at_write(attack, after=1.0)

    def _at_intent_request_dies(self, attack: Attack) -> str | None:
        with (
            self._fault(operation=self.operation, kind="reset_before"),
            self._fault(operation=self.operation, kind="delay", seconds=HOLD) as struck,
        ):
            self._until(struck, "request")
            time.sleep(attack.moment * HOLD * 0.7)
            return self._strike(attack)

    def _at_request_held(self, attack: Attack) -> str | None:
        with self._fault(operation=self.operation, kind="delay", seconds=HOLD) as struck:
            self._until(struck, "request")
            time.sleep(attack.moment * HOLD * 0.7)
            return self._strike(attack)

    def _at_answer_held(self, attack: Attack) -> str | None:
        with self._fault(operation=self.operation, kind="delay", seconds=HOLD, when="after") as struck:
            self._until(struck, "request")
            time.sleep(attack.moment * HOLD * 0.7)
            return self._strike(attack)

    def _at_id_not_stored(self, attack: Attack) -> str | None:
        with self._fault(operation=self.operation, kind="delay", seconds=1.0, when="after") as struck:
            self._until(struck, "request")
            return self._die_at_write(attack, after=1.0)

    def _at_answer_lost(self, attack: Attack) -> str | None:
        with (
            self._fault(operation=self.operation, kind="list_lag", seconds=LIST_LAG),
            self._fault(operation=self.operation, kind=attack.loss) as struck,
        ):
            self._until(struck, "request")
            time.sleep(attack.moment * 3)
            return self._strike(attack)

    def _at_waits(self, attack: Attack) -> str | None:
        self._until(lambda: self._new_job() is not None, "job")
        if attack.strike in ("triggerer", "scheduler", "pause triggerer"):
            self._until(lambda: self._state == "deferred", "deferral")
        time.sleep(attack.moment * 2)
        return self._strike(attack)

    def _at_resumes(self, attack: Attack) -> str | None:
        def resumes() -> bool:
            job = self._new_job()
            return job is not None and job["Status"] == "COMPLETED" and self._process() is not None

        self._until(resumes, "resume")
        time.sleep(attack.moment * 1.5)
        return self._strike(attack)

    def _at_any_moment(self, attack: Attack) -> str | None:
        self._until(lambda: self.watch.task(self.run_id, self.task_id).try_number > 0, "first try")
        time.sleep(attack.moment * 8)
        return self._strike(attack)

    def _die_at_write(self, attack: Attack, after: float) -> str | None:
        if not (process := self._process()):
            return None
        process.signal_supervisor(signal.SIGSTOP)
        time.sleep(after + REACHES_WRITE)
        if attack.strike == "supervisor":
            return self._sleep_after_write(process)
        process.kill()
        # What the task had written into the socket is done after its death, or never.
        process.signal_supervisor(signal.SIGKILL if attack.strike == "both" else signal.SIGCONT)
        time.sleep(0.5)
        return "kill"

    def _sleep_after_write(self, process: TaskProcess) -> str:
        """The write is done and its answer on the way, but the task sleeps until another try's job has completed.

        Earlier, the service would refuse its request; later, the whole run may be over.
        """
        process.stop()
        process.signal_supervisor(signal.SIGCONT)
        time.sleep(1)
        # Stopped and not killed yet: the kernel ends a stopped process group whose parent dies.
        process.signal_supervisor(signal.SIGSTOP)
        deadline = time.monotonic() + STEP_TIMEOUT
        try:
            while time.monotonic() < deadline:
                if (job := self._new_job()) and job["Status"] == "COMPLETED":
                    break
                time.sleep(0.1)
        finally:
            process.cont()
            time.sleep(0.5)
            process.signal_supervisor(signal.SIGKILL)
        return "kill"

    # ---------------------------------------------------------------------------------------------- strikes

    def _strike(self, attack: Attack) -> str | None:
        strike = attack.strike
        if strike == "clear":
            return self._clear()
        if strike in ("triggerer", "scheduler", "worker"):
            self.components.kill(strike, attack.detail)
            return "kill"
        if strike == "pause triggerer":
            self.components.pause("triggerer", attack.detail)
            return "other"
        process = self._process()
        if process is None:
            return None
        if strike.startswith("pause"):
            self._pause(process, strike.removeprefix("pause "), attack.detail)
            return "other"
        if strike in ("supervisor", "both"):
            process.signal_supervisor(signal.SIGKILL)
        if strike in ("task", "both"):
            process.kill()
        return "kill"

    def _pause(self, process: TaskProcess, what: str, detail: float) -> None:
        """A task process may stop for long unseen; without its supervisor's heartbeat it is tried again beside it."""
        if what in ("task", "both"):
            process.stop()
        if what in ("supervisor", "both"):
            process.signal_supervisor(signal.SIGSTOP)
        try:
            time.sleep(2 + 10 * detail if what == "task" else LONG_PAUSE + 8 * detail)
        finally:
            process.cont()
            process.signal_supervisor(signal.SIGCONT)

    def _clear(self) -> str | None:
        """Clear the task while it is sure to be under way for a while: a clear of what is done is another order."""
        job = self._new_job()
        left = JOB_SECONDS - (time.time() - int(job["CreateTime"]) / 1000) if job else JOB_SECONDS
        if left < CLEARS_UNTIL_LEFT or self._state not in ("running", "deferred", "up_for_retry", "queued"):
            return None
        with suppress(EngineError):
            self.airflow.clear(self.dag_id, self.run_id, [self.task_id])
            self.note(f"cleared {self.task_id}, {left:.1f} s before its job's end" if job else "cleared before its job")
            return "other"
        return None

    # ------------------------------------------------------------------------------------------------- looks

    @property
    def _state(self) -> str | None:
        return self.watch.task(self.run_id, self.task_id).state

    def _process(self) -> TaskProcess | None:
        return self.watch.process(self.run_id, self.task_id)

    def _accepted(self) -> list[dict[str, Any]]:
        return self.service.journal(self.operation, effective=True, environment=self.environment)

    def _new_job(self) -> dict[str, Any] | None:
        """The newest job that the service has accepted in this round."""
        if len(accepted := self._accepted()) <= self.accepted_before:
            return None
        return next(job for job in self.service.jobs() if job["JobId"] == accepted[-1]["job_id"])

    def _until(self, look: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + STEP_TIMEOUT
        while not look():
            if self._state in ("success", "failed", "upstream_failed"):
                raise TaskOverError
            if time.monotonic() > deadline:
                raise Missed(f"no {what} of {self.task_id} after {STEP_TIMEOUT:.0f} s (it is {self._state})")
            time.sleep(0.1)

    @contextmanager
    def _fault(self, **options: Any) -> Iterator[Callable[[], bool]]:
        """Script a fault for this task's environment; gives what tells whether it has struck."""
        fault_id = self.service.add_fault(**options, environment=self.environment, times=1)["fault_id"]

        def struck() -> bool:
            return any(fault["fault_id"] == fault_id and fault["used"] for fault in self.service.faults())

        try:
            yield struck
        finally:
            self.service.remove_fault(fault_id)
