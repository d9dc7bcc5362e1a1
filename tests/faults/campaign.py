"""Thousands of task instances against a service in which a fifth of all requests goes wrong.

    python -m tests.faults.campaign --calls 10000 --seed 7 [--naive]

A call is one task instance: an operator with its retries, sometimes a clear, somebody else in the same environment,
and a process that dies. The seed decides the cases and the faults; which request meets which fault also depends on
how the threads meet. The last line is the result; the exit status is 0 only if all three counts are.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_amplifybackend.local.testing.isolated_airflow import connection_json
from tests import conftest  # isolates this process: before anything of Airflow
from tests.airflow_versions import forget_masked_texts

PART = 250  # task instances that share one set of the service's switches, and one journal
# Before each start the guard reads all stacks of the account, here of all apps of a part: so in one part of four only.
GUARDED = 4
TRIES = 4
FAULTY_SHARE = 0.2
ANSWER_FAULTS = (
    "throttle",
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "truncate",
    "empty",
)
LAG = 0.6
# What is unknown of the real service is played either way, one column for each part.
SWITCHES: dict[str, tuple[Any, ...]] = {
    "clone_answer_environment": ("target", "source"),
    "clone_job_environment": ("target", "target", "source"),
    "clone_holds_source": ("shared", "exclusive", "no"),
    "environment_appears": ("completion", "start"),
    "gone_environment": ("NotFoundException", "ValidationException", "absent"),
    "deleted_environment_jobs": ("readable", "readable", "readable", "NotFoundException"),
    "remove_all_job_environment": ("every", "first", "last"),
    "operation_in_answers": ("observed", "never", "always"),
    "auth_omits_additional_constraints": (False, True),
    "failed_creation_leaves_environment": (True, True, False),
}
SKEWS = (0, -3600, 7200, 2)
FINDINGS = ("duplicates", "wrong_successes", "unexplained")


@dataclass
class Result:
    """What a campaign has found so far."""

    calls: int = 0
    tries: int = 0
    kills: int = 0
    requests: int = 0
    disturbed: int = 0
    starts: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """An error of each type, of those that ended a try."""
    duplicates: list[str] = field(default_factory=list)
    wrong_successes: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        return (
            f"calls {self.calls} · duplicates {len(self.duplicates)} · wrong successes {len(self.wrong_successes)} · "
            f"unexplained failures {len(self.unexplained)}"
        )

    @property
    def is_clean(self) -> bool:
        return not (self.duplicates or self.wrong_successes or self.unexplained)


@contextmanager
def local_service() -> Iterator[str]:
    """A local AmplifyBackend in a process of its own; the value is its endpoint."""
    command = [sys.executable, "-m", "airflow_provider_amplifybackend.local", "--job-seconds", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


class Campaign:
    """Runs the cases in parts, each with other switches, and judges each part."""

    def __init__(self, endpoint_url: str, *, seed: int, naive: bool, threads: int, show: int, triggerer: Any) -> None:
        from airflow_provider_amplifybackend.local.control import LocalControl

        self.control = LocalControl(endpoint_url)
        self.endpoint_url = endpoint_url
        self.seed = seed
        self.naive = naive
        self.show = show
        self.triggerer = triggerer
        self.result = Result()
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threading.local()

    def run(self, calls: int, *, first: int = 0) -> Result:
        begun = time.monotonic()
        for start in range(first, first + calls, PART):
            numbers = range(start, min(start + PART, first + calls))
            self._run_part(numbers)
            minutes = (time.monotonic() - begun) / 60
            print(f"{self.result.line} ({self.result.calls / minutes:.0f} calls/min)", flush=True)
        self._pool.shutdown()
        return self.result

    def _run_part(self, numbers: Sequence[int]) -> None:
        from tests.faults.cases import draw

        part = numbers[0] // PART
        random_ = random.Random(f"{self.seed} part {part}")
        os.environ["AIRFLOW__AMPLIFYBACKEND__GUARD"] = "off" if part % GUARDED else "auto"
        # A task's process ends with it; here each further secret makes a longer pattern of all.
        forget_masked_texts()
        self.control.reset()
        self.control.set(job_seconds=0.2, **{name: random_.choice(values) for name, values in SWITCHES.items()})
        self.control.set_clock(skew_seconds=random_.choice(SKEWS))
        cases = [draw(self.seed, number, "f") for number in numbers]
        self.control.seed(apps=[case.seed_document() for case in cases])
        self._script_faults(random_)
        stories = list(self._pool.map(self._run_case, cases))
        self.control.clear_faults()
        time.sleep(2.5)  # what was late or has just begun
        self._judge(stories)

    def _script_faults(self, random_: random.Random) -> None:
        from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS

        each = FAULTY_SHARE / (len(ANSWER_FAULTS) + 1)
        for when in ("before", "after"):
            self._script(random_, "*", kind="delay", seconds=1.4, when=when, probability=each / 2)
        for operation in JOB_OPERATIONS:
            self._script(random_, operation, kind="pending", probability=each)
        for kind in random_.sample(ANSWER_FAULTS, len(ANSWER_FAULTS)):
            self._script(random_, "*", kind=kind, probability=each)
        self._script(random_, "*", kind="job_fails", probability=0.08, error="quota exceeded")
        self._script(random_, "*", kind="job_status", probability=0.05, seconds=0.2)
        self._script(random_, "*", kind="list_lag", probability=0.15, seconds=LAG)
        self._script(random_, "*", kind="list_lag", probability=0.05, seconds=LAG, get_too=True)

    def _script(self, random_: random.Random, operation: str, **options: Any) -> None:
        self.control.add_fault(operation, seed=random_.getrandbits(32), **options)

    # ------------------------------------------------------------------------------------------------ one case

    def _run_case(self, case: Any) -> Any:
        from tests.faults.airflow_stand_in import TaskInstance
        from tests.faults.chaos import Chaos
        from tests.faults.oracle import Round, Story
        from tests.state_store import StateStore

        chaos = Chaos(case.seed)
        chaos.rule_this_thread()
        instance = TaskInstance(
            partial(self._operator, case, chaos),
            self.triggerer,
            store=StateStore(at=chaos.at),
            retries=TRIES - 1,
            at=chaos.at,
        )
        begun = time.monotonic()
        story = Story(case, [])
        self._threads.stranger_comes = case.stranger == "same operation"
        for _ in range(2 if case.is_cleared else 1):
            if story.rounds:
                instance.clear()
            story.rounds.append(Round(self._last_seq(case) if story.rounds else 0))
            self._run_round(instance, story.rounds[-1], chaos)
        story.seconds = time.monotonic() - begun
        self.result.tries += instance.try_number
        self.result.kills += chaos.deaths
        return story

    def _run_round(self, instance: Any, round_: Any, chaos: Any) -> None:
        from tests.faults.airflow_stand_in import Killed

        while True:
            # Somebody is to see the end: the last try lives.
            chaos.deadly = instance.try_number < instance.max_tries
            try:
                round_.result = instance.attempt()
                return
            except (Exception, Killed) as error:
                round_.errors.append(error)
            if instance.is_last_try:
                return

    def _operator(self, case: Any, chaos: Any) -> Any:
        """The operator of a new process."""
        hook = self._hook()
        hook.stranger = partial(self._stranger, case)
        if self.naive:
            from tests.faults.naive import NaiveOperator

            return NaiveOperator(case.operation, case.request, hook.naive_client)
        from tests.faults.chaos import BOTOCORE_CONFIG

        operator = case.operator(botocore_config=BOTOCORE_CONFIG)
        # One client for each thread: making one takes longer than everything else here.
        operator.__dict__["hook"] = hook
        return operator

    def _hook(self) -> Any:
        from botocore.config import Config

        from tests.faults.chaos import BOTOCORE_CONFIG, READ_TIMEOUT, FragileHook

        if not hasattr(self._threads, "hook"):
            self._threads.hook = FragileHook(config=BOTOCORE_CONFIG)
            session = self._threads.hook.get_session()
            options = {"endpoint_url": self.endpoint_url, "region_name": conftest.REGION}
            config = Config(read_timeout=READ_TIMEOUT)  # retries as boto3 has them
            self._threads.hook.naive_client = session.client("amplifybackend", config=config, **options)
            once = Config(read_timeout=READ_TIMEOUT, retries={"total_max_attempts": 1})
            self._threads.stranger = session.client("amplifybackend", config=once, **options)
        return self._threads.hook

    def _stranger(self, case: Any) -> None:
        """Just before our first start somebody else starts the same with another configuration."""
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError

        if not self._threads.stranger_comes:
            return
        self._threads.stranger_comes = False
        with suppress(BotoCoreError, ClientError):
            getattr(self._threads.stranger, xform_name(case.operation))(**case.theirs)

    def _last_seq(self, case: Any) -> int:
        return max((entry["seq"] for entry in self.control.journal(app_id=case.app_id)), default=0)

    # ----------------------------------------------------------------------------------------------- judgement

    def _judge(self, stories: Sequence[Any]) -> None:
        from tests.faults.oracle import Evidence, judge, state_errors

        journal = self.control.journal()
        evidence = Evidence(journal, self.control.jobs())
        result = self.result
        before = {what: len(getattr(result, what)) for what in FINDINGS}
        result.requests += sum(evidence.requests.values())
        result.disturbed += evidence.disturbed
        for story in stories:
            result.calls += 1
            result.starts += sum(start.is_ours for start in evidence.starts(story.case))
            for round_ in story.rounds:
                result.endings[round_.result["outcome"] if round_.result else _ending(round_)] += 1
                for error in round_.errors:
                    result.examples.setdefault(type(error).__name__, f"case {story.case.number}: {error}")
            verdict = judge(story, evidence)
            if verdict.has_findings and not self.naive:
                _show_requests(story, journal)
            result.duplicates += verdict.duplicates
            result.wrong_successes += verdict.wrong_successes
            result.unexplained += verdict.unexplained
        if not self.naive:
            result.wrong_successes += state_errors(stories, self.control.state())
        for what, number in before.items():
            for sentence in getattr(result, what)[number : self.show]:
                print(f"{what}: {sentence}", flush=True)


def _show_requests(story: Any, journal: Sequence[Any]) -> None:
    """Print what the service saw of a task instance: a finding of a busy machine can be told from one of the rules."""
    print(f"requests of case {story.case.number} (cleared: {story.case.is_cleared}):")
    for entry in journal:
        if entry["parameters"].get("AppId") == story.case.app_id:
            facts = {name: entry[name] for name in ("seq", "operation", "effective", "job_id", "faults")}
            print(f"  {entry['time']:.2f} {facts}")
    for round_ in story.rounds:
        print(f"  errors: {[str(error) for error in round_.errors]}; result: {round_.result}")


def _ending(round_: Any) -> str:
    return type(round_.errors[-1]).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description="See the module.")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--first", type=int, default=0, help=f"number of the first case, a multiple of {PART}")
    parser.add_argument("--threads", type=int, default=24)
    parser.add_argument("--naive", action="store_true", help="the control: submit, then wait, with boto3 as it is")
    parser.add_argument("--show", type=int, default=15, help="how many findings of each sort to print")
    options = parser.parse_args(arguments)
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    given = {name: getattr(options, name) for name in ("first", "naive", "threads", "show")}
    result = run(options.calls, seed, **given)
    print(
        f"tries {result.tries} · kills {result.kills} · requests {result.requests}, disturbed {result.disturbed} · "
        f"accepted starts {result.starts}"
    )
    for name, example in result.examples.items():
        print(f"e.g. {name}: {example}")
    print("endings: " + ", ".join(f"{name} {number}" for name, number in result.endings.most_common()))
    print(result.line)
    return 0 if result.is_clean else 1


def run(calls: int, seed: int, *, first: int = 0, naive: bool = False, threads: int = 24, show: int = 15) -> Result:
    """Run a campaign."""
    from tests.faults import chaos
    from tests.faults.airflow_stand_in import Triggerer

    with local_service() as endpoint_url, Triggerer() as triggerer:
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection_json(endpoint_url)
        chaos.hurry()
        _be_quiet()
        options = {"aws_conn_id": "aws_default", "region_name": None, "verify": None, "connection_found": True}
        triggerer.keep_client(config=chaos.BOTOCORE_CONFIG, **options)
        campaign = Campaign(endpoint_url, seed=seed, naive=naive, threads=threads, show=show, triggerer=triggerer)
        return campaign.run(calls, first=first)


def _be_quiet() -> None:
    """Airflow's loggers write a line for every decision; here nobody reads them."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
