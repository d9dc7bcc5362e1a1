"""Plant faults in what decides about a start, one at a time, and see that the fast tests find each of them.

    python scripts/mutants.py [--only PATTERN ...] [--sample 40 --seed 1] [--jobs 2] [--suites PATH ...]
        [--list] [--diff] [--equivalent]

`scripts/mutant_rules.py` makes the faults, by rule, from the source: nobody picks them. A mutant that behaves the same,
so that no test can find it, stands in `scripts/equivalent_mutants.toml` with the reason. The run fails if

- a suite that a mutant came to fails without any mutant,
- a mutant survives all suites, or cannot be applied,
- an entry of equivalent_mutants.toml is no mutant (any more), or is found all the same (`--equivalent` tries them).

Each suite of a mutant runs in a process of its own, forked from this one, which has imported everything that is not
ours, so that a mutant costs about a second. Only one module differs, and it is compiled from its mutated source on
import: no file changes. A process that needs several times the processor time of the unchanged suite has found its
mutant, too: it hangs.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import gc
import importlib
import importlib.abc
import importlib.util
import os
import random
import resource
import signal
import sys
import tempfile
import time
import tomllib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from mutant_rules import Mutant, UnappliedError, mutants_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_amplifybackend"
EQUIVALENT = ROOT / "scripts" / "equivalent_mutants.toml"


@dataclass(frozen=True)
class Target:
    """A module that decides, and the suites that must find what is wrong in it, the quickest first."""

    module: str
    suites: tuple[str, ...]
    # What only words a message.
    unchanged: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return ROOT / f"{self.module.replace('.', '/')}.py"


BY_HAND = "tests/start/test_by_hand.py"
LEFTOVER_BY_HAND = "tests/start/test_leftover_by_hand.py"
RULES = "tests/start/test_rules.py"
WALK = "tests/faults/test_walk.py"
START_SUITES = (
    "tests/start/test_elsewhere.py",
    "tests/start/test_once.py",
    "tests/start/test_disowning.py",
    WALK,
    "tests/start/test_limits.py",
)
# What decides.
PURE = ("start.intent", "start.situation", "start.rules", "start.fresh_start", "start.ownership")
# What asks, stores, sends and waits.
STEPS = (
    "start.actions",
    "start.attempt",
    "start.observation",
    "start.sending",
    "start.protocol",
    "start.course",
    "start.driver",
    "start.report",
)
TARGETS = (
    Target(
        f"{PACKAGE}.core.job",
        (RULES, BY_HAND, *START_SUITES),
        unchanged=("ended_text", "took_text", "duration_text", "left_behind"),
    ),
    *(Target(f"{PACKAGE}.{name}", (RULES, BY_HAND, *START_SUITES)) for name in PURE),
    *(Target(f"{PACKAGE}.{name}", (BY_HAND, *START_SUITES)) for name in STEPS),
    Target(f"{PACKAGE}.start.leftover", (LEFTOVER_BY_HAND, WALK, "tests/faults/test_leftovers.py")),
)
# A sample always holds these.
ALWAYS = ("start.rules.Case.is_patient: returns False",)
# What the suites import of others; what is not installed is left out.
THEIRS = (
    "_pytest.assertion.rewrite",
    "anyio._backends._asyncio",
    "hypothesis.stateful",
    "xdist.plugin",
    "airflow.sdk",
    "airflow.sdk.execution_time.supervisor",
    "airflow.providers.amazon.aws.hooks.base_aws",
    "airflow.providers.common.compat.sdk",
    "boto3",
    "aiobotocore.session",
    "starlette.applications",
    "starlette.routing",
    "uvicorn",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not system and not crash and not js")
# Processor time, so that other processes' work does not count, and a wall clock for whoever sleeps for ever.
CPU_FACTOR, CPU_EXTRA, WALL_FACTOR = 4, 5, 20


def main() -> int:
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # by way of what stops the processes
    sources = {target.module: target.path.read_text() for target in TARGETS}
    everything = [
        mutant for target in TARGETS for mutant in mutants_of(target.module, sources[target.module], target.unchanged)
    ]
    equivalent = read_equivalent()
    strangers = {*equivalent, *ALWAYS} - {mutant.id for mutant in everything}
    problems = [f"no such mutant (any more): {name}" for name in sorted(strangers)]
    chosen = choose(everything, equivalent, options)
    if options.list:
        for mutant in chosen:
            print(mutant.id)
            if options.diff:
                print(diff_of(mutant, sources[mutant.module]))
        return 0
    if not chosen:
        problems.append("no mutant was chosen")
    with tempfile.TemporaryDirectory(prefix="mutants-") as home:
        campaign = Campaign(sources, equivalent, Path(home), options)
        problems += campaign.run(chosen)
    for problem in problems:
        print(f"\nNOT AS IT SHOULD BE: {problem}")
    count = Counter(campaign.fates.values())
    print(
        f"\nmutants {len(chosen)} · found {count['found']} · equivalent {count['equivalent']} · "
        f"survived {count['survived']} · not applied {count['not applied']} · {campaign.minutes:.1f} minutes"
    )
    return 1 if problems or len(campaign.fates) < len(chosen) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", metavar="PATTERN", help="those whose id holds this text, or matches it (with a *)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="no more than this many, drawn by the seed")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of the sample (default: random)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: processors)")
    parser.add_argument("--suites", nargs="+", metavar="PATH", help="these instead of the suites of the module")
    parser.add_argument("--list", action="store_true", help="list the ids, and run nothing")
    parser.add_argument("--diff", action="store_true", help="with --list: show the edits, too")
    parser.add_argument("--equivalent", action="store_true", help="only the equivalent ones: no suite may find any")
    return parser.parse_args()


def read_equivalent() -> dict[str, str]:
    """Return the reason for each equivalent mutant, by its id."""
    groups = tomllib.loads(EQUIVALENT.read_text()).get("equivalent", [])
    return {name: group["reason"] for group in groups for name in group["ids"]}


def choose(everything: list[Mutant], equivalent: dict[str, str], options: argparse.Namespace) -> list[Mutant]:
    chosen = [mutant for mutant in everything if mutant.id in equivalent] if options.equivalent else everything
    if options.only:
        chosen = [mutant for mutant in chosen if any(is_meant(mutant, pattern) for pattern in options.only)]
    if options.sample:
        print(f"a sample by --seed {options.seed}")
        always = [mutant for mutant in chosen if mutant.id in ALWAYS]
        others = [mutant for mutant in chosen if mutant.id not in ALWAYS and mutant.id not in equivalent]
        some = random.Random(options.seed).sample(others, min(max(0, options.sample - len(always)), len(others)))
        chosen = [mutant for mutant in chosen if mutant in always or mutant in some]
    return chosen


def is_meant(mutant: Mutant, pattern: str) -> bool:
    return pattern in mutant.id or fnmatch.fnmatchcase(mutant.id, pattern)


def diff_of(mutant: Mutant, source: str) -> str:
    mutated = mutant.apply(source)
    lines = difflib.unified_diff(source.splitlines(), mutated.splitlines(), lineterm="", n=1)
    return "\n".join(f"    {line}" for line in list(lines)[2:])


# ------------------------------------------------------------------------------------------------------ one process


@dataclass
class Cost:
    """What a suite needs without any mutant."""

    cpu: float
    wall: float


@dataclass
class Child:
    """A process that runs one suite with one mutant."""

    pid: int
    report: Path
    output: Path
    kill_at: float
    began: float = field(default_factory=time.monotonic)
    is_stopped: bool = False


@dataclass
class End:
    """How a process ended. ``found_by`` is a test, or a word for another reason; empty if all tests passed."""

    found_by: str
    cost: Cost


class MutatedLoader(SourceFileLoader):
    """Compiles a module from another text than is in its file."""

    text = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec", dont_inherit=True)


class MutatedFinder(importlib.abc.MetaPathFinder):
    """Finds the mutated module, and no other."""

    def __init__(self, module: str, path: Path, text: str) -> None:
        self.module = module
        self.loader = MutatedLoader(module, str(path))
        self.loader.text = text

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.loader.path, loader=self.loader)


class SuiteFailsError(Exception):
    """A suite fails without any mutant."""


class FirstFailure:
    """A pytest plug-in that writes down which test failed, or which module could not be collected.

    Tests that have found much in the same function come first: most mutants are found at once.
    """

    def __init__(self, report: Path, finders: Counter[str]) -> None:
        self.report = report
        self.finders = finders

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: -self.finders[item.nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.note(report)

    def pytest_collectreport(self, report: Any) -> None:
        self.note(report)

    def note(self, report: Any) -> None:
        if report.failed and not self.report.exists():
            self.report.write_text(report.nodeid)


def run_suite(
    suite: str, report: Path, output: Path, finder: MutatedFinder | None, limit: Cost | None, finders: Counter[str]
) -> int:
    """Run a suite in this process, which has been forked for it."""
    os.setsid()
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if limit:
        seconds = int(limit.cpu)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    if finder:
        # Here, because pytest's own finder puts itself first: it rewrites the assertions of a plug-in's whole package.
        sys.meta_path.insert(0, finder)
        try:
            importlib.import_module(finder.module)
        except Exception as error:
            report.write_text(f"its import: {error!r}")
            return 1
    import pytest

    return int(pytest.main([*PYTEST, suite], plugins=[FirstFailure(report, finders)]))


# --------------------------------------------------------------------------------------------------------- all of them


@dataclass
class Task:
    """A mutant on its way through the suites."""

    mutant: Mutant
    text: str
    suites: list[str]
    seconds: float = 0.0

    @property
    def function(self) -> str:
        name: str = self.mutant.id.partition(":")[0]
        return name


class Campaign:
    """Runs mutants, several at a time, and keeps what became of each."""

    def __init__(
        self, sources: dict[str, str], equivalent: dict[str, str], home: Path, options: argparse.Namespace
    ) -> None:
        self.sources = sources
        self.home = home
        self.equivalent = equivalent
        self.jobs: int = options.jobs
        self.suites: list[str] | None = options.suites
        self.tries_equivalent: bool = options.equivalent
        self.total = 0
        self.targets = {target.module: target for target in TARGETS}
        self.costs: dict[str, Cost] = {}
        self.fates: dict[str, str] = {}
        self.problems: list[str] = []
        # How many mutants of a function each test has found.
        self.finders: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.children: dict[int, tuple[Child, Task | None]] = {}
        self.number = 0
        self.began = time.monotonic()

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def run(self, mutants: list[Mutant]) -> list[str]:
        """Return what is not as it should be."""
        self.total = len(mutants)
        tasks = [task for mutant in mutants if (task := self.task_for(mutant))]
        prepare(self.home)
        try:
            self.follow(tasks)
        except SuiteFailsError as error:
            self.problems.append(str(error))
        finally:
            for child, _ in self.children.values():
                stop(child)
        return self.problems

    def task_for(self, mutant: Mutant) -> Task | None:
        try:
            text = mutant.apply(self.sources[mutant.module])
        except UnappliedError as error:
            self.problems.append(str(error))
            self.fates[mutant.id] = "not applied"
            return None
        return Task(mutant, text, list(self.suites or self.targets[mutant.module].suites))

    def measure(self, suite: str) -> Cost:
        """Run a suite as it is, before the first mutant needs it: nothing is found by a test that fails anyway."""
        child = self.fork(suite, None)
        self.children[child.pid] = child, None
        _, status, usage = os.wait4(child.pid, 0)
        del self.children[child.pid]
        end = self.read(child, status, usage.ru_utime + usage.ru_stime)
        print(f"unchanged  {end.cost.wall:5.1f} s  {suite}", flush=True)
        if end.found_by:
            raise SuiteFailsError(f"{suite} fails without any mutant:\n{child.output.read_text()[-8000:]}")
        return end.cost

    def follow(self, tasks: Iterable[Task]) -> None:
        waiting = list(tasks)
        waiting.reverse()
        while waiting or self.children:
            while waiting and len(self.children) < self.jobs:
                self.start(waiting.pop())
            task, end = self.next_end()
            assert task
            task.seconds += end.cost.wall
            task.suites.pop(0)
            if end.found_by:
                self.finders[task.function][end.found_by] += 1
                self.note(task, "found", end.found_by)
            elif task.suites:
                self.start(task)
            else:
                self.note(task, "survived")

    def start(self, task: Task) -> None:
        if task.mutant.id in self.equivalent and not self.tries_equivalent:
            self.note(task, "equivalent", self.equivalent[task.mutant.id])
            return
        suite = task.suites[0]
        if suite not in self.costs:
            self.costs[suite] = self.measure(suite)
        child = self.fork(suite, task)
        self.children[child.pid] = child, task

    def note(self, task: Task, fate: str, why: str = "") -> None:
        mutant = task.mutant
        is_equivalent = mutant.id in self.equivalent
        if is_equivalent and fate == "found":
            self.problems.append(f"{mutant.id}: is listed as equivalent, and found by {why}")
        if fate == "survived":
            fate = "equivalent" if is_equivalent else fate
        if fate == "survived":
            self.problems.append(f"{mutant.id}: survived\n{diff_of(mutant, self.sources[mutant.module])}")
        self.fates[mutant.id] = fate
        number = f"{len(self.fates):{len(str(self.total))}}/{self.total}"
        print(f"{number}  {fate:10} {task.seconds:5.1f} s  {mutant.id}  ({why or 'by nothing'})", flush=True)

    def fork(self, suite: str, task: Task | None) -> Child:
        self.number += 1
        report, output = self.home / f"report-{self.number}", self.home / f"output-{self.number}"
        cost = self.costs.get(suite)
        limit = Cost(cost.cpu * CPU_FACTOR + CPU_EXTRA, cost.wall * WALL_FACTOR + CPU_EXTRA) if cost else None
        finder = None
        if task:
            module = task.mutant.module
            finder = MutatedFinder(module, self.targets[module].path, task.text)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            status = 70
            try:
                status = run_suite(suite, report, output, finder, limit, self.finders[task.function if task else ""])
            finally:
                os._exit(status)
        return Child(pid, report, output, time.monotonic() + (limit.wall if limit else 3600))

    def next_end(self) -> tuple[Task | None, End]:
        """Wait until one of the processes has ended."""
        while True:
            for pid, (child, task) in list(self.children.items()):
                ended, status, usage = os.wait4(pid, os.WNOHANG)
                if ended:
                    del self.children[pid]
                    return task, self.read(child, status, usage.ru_utime + usage.ru_stime)
                if time.monotonic() > child.kill_at and not child.is_stopped:
                    child.is_stopped = True
                    stop(child)
            time.sleep(0.02)

    def read(self, child: Child, status: int, cpu: float) -> End:
        cost = Cost(cpu, time.monotonic() - child.began)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return End("", cost)
        if code < 0:
            name = signal.Signals(-code).name
            if name != "SIGXCPU" and not child.is_stopped:
                raise RuntimeError(f"somebody has ended a process of this run ({name})")
            return End(f"the time limit: {name}", cost)
        return End(child.report.read_text() if child.report.exists() else f"exit code {code}", cost)


def stop(child: Child) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child.pid, signal.SIGKILL)  # it has not made its group yet


def prepare(home: Path) -> None:
    """Import everything that is not ours, far from the developer's Airflow, for the forked processes to start from."""
    os.environ["AIRFLOW_HOME"] = os.environ["MUTANTS_AIRFLOW_HOME"] = str(home / "airflow")
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home / 'airflow.db'}"
    os.environ["SEED"] = "1"  # of random tests: a mutant is found in each run or in none
    os.chdir(ROOT)
    tempfile.tempdir = str(home)
    sys.pycache_prefix = str(home / "pycache")
    sys.dont_write_bytecode = False
    sys.path[0] = str(ROOT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in THEIRS:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]  # Airflow asks for our get_provider_info
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
