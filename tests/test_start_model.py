"""The rules of a start against a model of the service: every interleaving that hypothesis can think of.

The model is of the service's part (what it accepts, when it lists it) and of the driver's (look, decide, store, send,
wait), step by step, so that a process can die and others can act between any two steps. What is under test is the pure
core: `decide`, `write_intent`, `answered`, `adopted`, `disowned`, and the form in which an intent is stored.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_amplifybackend import jobs
from airflow_provider_amplifybackend.jobs import Effect, Intent, Job, Outcome, Round, Situation

# In seconds, the service's: a start that was given up arrives up to LATE later, and is listed up to LAG after that.
LATE, LAG, PATIENCE = 5.0, 10.0, 25.0
RETRIES = 3
EFFECTS = {"CreateBackendAuth": "there", "UpdateBackendAuth": "there", "DeleteBackendAuth": "gone"}
OTHERS = "CreateBackendStorage"  # holds the environment and changes nothing here
DELIVERIES = ["answered", "lost after", "lost before", "late", "throttled"]

Step = Generator[str, str | None, None]


class _RefusedError(Exception):
    """The service's no, which ends the try."""


@dataclass
class Started:
    """A job of the service. ``owner`` is the number of the round that sent it, or None for somebody else's."""

    job_id: str
    operation: str
    owner: int | None
    created: float
    listed_from: float
    status: str = "RUNNING"

    @property
    def row(self) -> Job:
        return Job("d1", "staging", self.job_id, self.operation, self.status, create_time_ms=int(self.created * 1000))


@dataclass
class Service:
    """One environment with one resource, its jobs, and the requests that are still on their way."""

    exists: bool
    now: float = 1000.0
    jobs: list[Started] = field(default_factory=list)
    # Whose configuration the resource has.
    config: str = "theirs"
    late: list[tuple[float, str, int, float]] = field(default_factory=list)

    @property
    def pending(self) -> Started | None:
        return next((job for job in self.jobs if job.status == "RUNNING"), None)

    def accept(self, operation: str, owner: int | None, lag: float) -> Started | str:
        if self.pending:
            return "pending"
        if (operation == "CreateBackendAuth" and self.exists) or (
            operation in ("UpdateBackendAuth", "DeleteBackendAuth") and not self.exists
        ):
            return "refused"
        earlier = [job for job in self.jobs if owner is not None and job.owner == owner]
        assert all(job.status == "FAILED" for job in earlier), f"started again beside or after {earlier}"
        self.now += 0.01
        job = Started(f"job{len(self.jobs)}", operation, owner, self.now, self.now + lag)
        self.jobs.append(job)
        return job

    def end(self, job: Started, status: str) -> None:
        job.status = status
        if status == "COMPLETED" and job.operation in EFFECTS:
            self.exists = EFFECTS[job.operation] == "there"
            self.config = "theirs" if job.owner is None else "ours"

    def listed(self) -> tuple[Job, ...]:
        return tuple(job.row for job in self.jobs if job.listed_from <= self.now)

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for due, operation, owner, lag in sorted(self.late, key=lambda entry: entry[0]):
            if due <= until:
                self.now = max(self.now, due)
                self.late = [entry for entry in self.late if entry[0] > due]
                self.accept(operation, owner, lag)
        self.now = max(self.now, until)


@dataclass
class Process:
    """One try of the task, as StartOnce and the operator make it, step by step."""

    machine: StartOnceMachine
    round: Round
    number: int
    lost_at: float | None = None
    found: bool = False
    intent: Intent | None = None

    def look(self) -> Situation:
        machine, service = self.machine, self.machine.service
        listed = service.listed()
        if self.intent and self.intent.job_id:
            known = next(job.row for job in service.jobs if job.job_id == self.intent.job_id)
            listed = (known, *(job for job in listed if job.job_id != known.job_id))
        since = None
        if self.lost_at is not None:
            since = service.now - self.lost_at
        elif self.intent:
            since = service.now - max(self.intent.service_time_ms, self.intent.resent_time_ms) / 1000
        operation = jobs.JOB_OPERATIONS[machine.operation]
        return Situation(
            operation=operation,
            round=self.round,
            digest="digest",
            intent=self.intent,
            jobs=listed,
            targets=("staging",),
            sent_in_this_try=self.lost_at is not None,
            target_exists=service.exists if operation.effect is not Effect.CHANGES else None,
            on_pending_job=machine.on_pending_job,
            if_exists=machine.if_exists,
            if_missing=machine.if_missing,
            patience_left=PATIENCE - since if since is not None else 0.0,
        )

    def store(self, intent: Intent) -> None:
        self.intent = intent
        self.machine.stored = json.dumps(intent.to_stored())

    def run(self) -> Step:
        self.intent = self.machine.read_intent()
        while True:
            situation = self.look()
            decision = jobs.decide(situation)
            self.check(decision, situation)
            looked_at = self.machine.service.now
            yield "decided"
            match decision:
                case jobs.Send():
                    job = yield from self.send(situation, looked_at)
                    if job and (yield from self.finish(job, Outcome.STARTED)):
                        return
                case jobs.Adopt(job=job):
                    assert self.intent
                    self.store(jobs.adopted(self.intent, job, self.round))
                    yield "adopted"
                    if (yield from self.finish(job, Outcome.ADOPTED)):
                        return
                case jobs.WaitFor(job=job):
                    yield from self.wait(job)
                case jobs.LookAgain():
                    yield "pause"
                case jobs.Done():
                    self.machine.done(decision.outcome)
                    return
                case jobs.Refuse():
                    return

    def send(self, situation: Situation, looked_at: float) -> Generator[str, str | None, Job | None]:
        unresolved = jobs.is_unresolved(situation)
        intent = jobs.write_intent(situation, "d1", int(looked_at * 1000))
        yield "before store"
        self.store(intent)
        delivery = yield "send"
        answer = self.machine.deliver(delivery or "answered", self.number)
        yield "after send"
        if answer == "lost":
            self.lost_at = self.machine.service.now
        elif isinstance(answer, Started):
            self.store(jobs.answered(intent, answer.row))
            yield "stored"
            return answer.row
        else:
            self.store(replace(intent, refused=not unresolved))
            if answer == "refused" and not self.is_settled_by_policy():
                raise _RefusedError
            # Throttled, or somebody is in the way; if that is the task's own lost job, the next look finds it.
            yield "pause"
        return None

    def is_settled_by_policy(self) -> bool:
        exists, machine = self.machine.service.exists, self.machine
        if EFFECTS[machine.operation] == "gone":
            return not exists and machine.if_missing == "skip"
        return exists and machine.operation.startswith("Create") and machine.if_exists == "skip"

    def wait(self, job: Job) -> Generator[str, str | None, Job]:
        started = next(started for started in self.machine.service.jobs if started.job_id == job.job_id)
        while started.status == "RUNNING":
            yield "wait"
        return started.row

    def finish(self, job: Job, outcome: Outcome) -> Generator[str, str | None, bool]:
        ended = yield from self.wait(job)
        if ended.is_failed:
            return True  # the try fails
        yield "ended"
        assert self.intent
        if outcome is Outcome.ADOPTED and self.intent.found_by_looking and self.machine.differs():
            operation = jobs.JOB_OPERATIONS[self.machine.operation]
            listed = self.machine.service.listed()
            rest, reason = jobs.after_difference(self.intent, operation, ended, listed, "it differs")
            note(reason)
            if rest is None:
                return True  # the try fails, and says why
            self.store(rest)
            return False
        self.store(replace(self.intent, reported=True))
        yield "reported"
        self.machine.done(outcome, ended)
        return True

    def check(self, decision: jobs.Decision, situation: Situation) -> None:
        service, intent = self.machine.service, self.intent
        if isinstance(decision, jobs.Adopt):
            assert intent, "nothing was sent"
            job = next(started for started in service.jobs if started.job_id == decision.job.job_id)
            if job.job_id != intent.job_id:
                assert job.operation == intent.operation
                assert job.created * 1000 >= intent.service_time_ms - jobs.SERVICE_CLOCK_MARGIN_MS, (
                    "older than its intent"
                )
                assert job.job_id not in intent.known_job_ids
        if isinstance(decision, jobs.Done):
            gone = decision.outcome in (Outcome.SKIPPED, Outcome.ADOPTED)
            assert service.exists is not gone


class StartOnceMachine(RuleBasedStateMachine):
    """A task instance, somebody else, and the service between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: str | None = None
        self.max_tries = RETRIES
        self.clears = 0
        self.orders = 0
        self.tries = 0
        # What an earlier round has succeeded with.
        self.spent: set[str] = set()
        self.process: Step | None = None
        self.stage = ""
        self.succeeded = False
        self.last: str | None = None

    @initialize(
        operation=st.sampled_from(sorted(EFFECTS)),
        exists=st.booleans(),
        if_exists=st.sampled_from(["fail", "skip"]),
        if_missing=st.sampled_from(["fail", "skip"]),
        on_pending_job=st.sampled_from(["wait", "wait", "fail"]),
        lag=st.sampled_from([0.0, LAG]),
    )
    def begin(
        self, operation: str, exists: bool, if_exists: str, if_missing: str, on_pending_job: str, lag: float
    ) -> None:
        self.operation = operation
        self.service = Service(exists)
        self.on_pending_job = on_pending_job
        self.if_exists, self.if_missing, self.lag = if_exists, if_missing, lag
        self.new_try()

    def read_intent(self) -> Intent | None:
        return Intent.from_stored(json.loads(self.stored)) if self.stored else None

    def new_try(self) -> None:
        self.tries += 1
        self.process = Process(self, Round(self.max_tries, self.clears), self.orders).run()
        self.stage = next(self.process, "")

    def deliver(self, delivery: str, owner: int) -> Started | str:
        """What becomes of the request."""
        if delivery == "late":
            self.service.late.append((self.service.now + LATE, self.operation, owner, self.lag))
        if delivery in ("late", "lost before"):
            return "lost"
        if delivery == "throttled":
            return "throttled"
        answer = self.service.accept(self.operation, owner, self.lag)
        return "lost" if delivery == "lost after" else answer

    def differs(self) -> bool:
        if EFFECTS[self.operation] == "gone":
            return self.service.exists
        return not self.service.exists or self.service.config != "ours"

    def done(self, outcome: Outcome, job: Job | None = None) -> None:
        note(f"success: {outcome} {job}")
        self.succeeded = True
        own = [job for job in self.service.jobs if job.owner is not None and job.status == "COMPLETED"]
        if outcome is Outcome.STARTED or (outcome is Outcome.ADOPTED and EFFECTS[self.operation] == "there"):
            assert own, "a success, and no job of ours was completed"
        if job:
            assert job.job_id not in self.spent, "it was to be done again"
        self.last = job.job_id if job else None

    # What the task's processes do

    @precondition(lambda self: self.process)
    @rule(delivery=st.sampled_from(DELIVERIES))
    def step(self, delivery: str) -> None:
        assert self.process
        if self.stage in ("pause", "wait"):
            self.service.pass_time(2.0)
        try:
            self.stage = self.process.send(delivery if self.stage == "send" else None)
        except (StopIteration, _RefusedError):
            self.process = None

    @precondition(lambda self: self.process)
    @rule()
    def go_on_undisturbed(self) -> None:
        for _ in range(200):
            if self.process is None:
                return
            self.job_ends("COMPLETED")
            self.step("answered")
        raise AssertionError(f"it goes on for ever: {self.stage}")

    @precondition(lambda self: self.process)
    @rule()
    def die(self) -> None:
        self.process = None

    @precondition(lambda self: not self.process and not self.succeeded)
    @rule()
    def retry(self) -> None:
        self.new_try()

    @precondition(lambda self: self.orders < 2)
    @rule(resets_run=st.booleans())
    def clear(self, resets_run: bool) -> None:
        """Cleared, running or not: the process loses its store, so it cannot go on."""
        if self.succeeded and self.last:
            self.spent.add(self.last)
        self.process = None
        self.succeeded = False
        self.orders += 1
        self.clears += resets_run
        self.max_tries = self.tries + RETRIES
        self.new_try()

    # What happens besides

    @rule()
    def clear_another_task(self) -> None:
        """A process that runs does not see it."""
        self.clears += 1

    @precondition(lambda self: self.stage not in ("decided", "before store", "send"))
    @rule(seconds=st.sampled_from([1.0, LATE, LAG, PATIENCE]))
    def pass_time(self, seconds: float) -> None:
        """Between a look and the request there is little time: that is what the fence is for."""
        self.service.pass_time(seconds)

    @rule(status=st.sampled_from(["COMPLETED", "COMPLETED", "FAILED"]))
    def job_ends(self, status: str) -> None:
        if self.service.pending:
            self.service.end(self.service.pending, status)

    @rule(operation=st.sampled_from([*sorted(EFFECTS), OTHERS]), lag=st.sampled_from([0.0, LAG]))
    def somebody_starts(self, operation: str, lag: float) -> None:
        self.service.accept(operation, None, lag)

    @rule(lag=st.sampled_from([0.0, LAG]))
    def somebody_starts_the_same_and_it_fails_at_once(self, lag: float) -> None:
        job = self.service.accept(self.operation, None, lag)
        if isinstance(job, Started):
            self.service.end(job, "FAILED")

    @invariant()
    def the_intent_survives_its_storage(self) -> None:
        if self.stored:
            intent = self.read_intent()
            assert intent
            assert json.loads(json.dumps(intent.to_stored())) == json.loads(self.stored)

    def teardown(self) -> None:
        """Once nothing goes wrong any more, the task comes to an end."""
        if not hasattr(self, "service"):
            return
        if self.process:
            self.go_on_undisturbed()


THOROUGH = settings(deadline=None, suppress_health_check=list(HealthCheck))
TestStartOnce = StartOnceMachine.TestCase
TestStartOnce.settings = settings(THOROUGH, max_examples=250, stateful_step_count=40)


@pytest.mark.faults
def test_a_long_search() -> None:
    """What hypothesis finds only now and then: 3,000 stories of up to 60 steps."""
    run_state_machine_as_test(StartOnceMachine, settings=settings(THOROUGH, max_examples=3000, stateful_step_count=60))


def test_the_model_knows_the_fields_that_are_stored() -> None:
    known: dict[str, Any] = Intent.__dataclass_fields__
    assert {"job_id", "found_by_looking", "resent_time_ms", "refused", "reported"} <= set(known)
