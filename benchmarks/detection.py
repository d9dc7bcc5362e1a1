"""How many requests a wait takes, and how late it sees that the job has ended: against fixed delays.

    python -m benchmarks.detection [--jobs 1500] [--short]

A simulated clock drives the provider's own poll schedule. Jobs take what the real service is known to take. Every
wait begins with a look at once, on both sides. "The limit" is the best that any schedule can do which knows exactly
how the durations are distributed, found by dynamic programming: whoever knows less cannot do better. One job in
twenty fails early. A history is so many earlier jobs that completed.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from airflow_provider_amplifybackend.core.schedule import Durations, PollSchedule
from benchmarks._report import Report, cell, percentile, ratio, say

FIXED = (5.0, 30.0, 60.0)
OUR_DELAYS = (1.5, 2, 3, 4, 5, 7, 10, 14, 20, 25, 30, 37, 45, 60, 75, 90, 120, 150, 180, 240)
HISTORIES = (0, 1, 3, 10)
SHORTEST, LONGEST = 30.0, 900.0
FAILING = 0.05

Draw = Callable[[random.Random], float]


@dataclass(frozen=True)
class Workload:
    """Jobs of one kind: how long they take."""

    name: str
    draw: Draw
    says: str

    def job(self, rng: random.Random) -> float:
        """How long a job takes; one that fails ends early, as one of 33 s did, and teaches nothing."""
        return rng.uniform(25, 45) if rng.random() < FAILING else self.draw(rng)


def steady(rng: random.Random) -> float:
    """UpdateBackendAPI as seen: 222, 228 and 239 s."""
    return rng.gauss(230, 8)


def similar(rng: random.Random) -> float:
    """The same operation on the same app again: as long as the last time, give or take an eighth."""
    return rng.lognormvariate(math.log(180), 0.12)


def minutes(rng: random.Random) -> float:
    """Clones, creations, deletions of apps of every size: a few minutes."""
    return min(LONGEST, max(SHORTEST, rng.lognormvariate(math.log(180), 0.35)))


def anything(rng: random.Random) -> float:
    """No pattern at all: each order of magnitude as likely as the next."""
    return math.exp(rng.uniform(math.log(SHORTEST), math.log(LONGEST)))


WORKLOADS = (
    Workload("steady", steady, "UpdateBackendAPI: 230 +- 8 s"),
    Workload("similar", similar, "the same app and operation again: 180 s, two thirds of them within 12 %"),
    Workload("minutes", minutes, "clone, create, delete: a few minutes, half of them between 142 and 228 s"),
    Workload("anything", anything, "30 s to 15 min without any pattern"),
)


@dataclass(frozen=True)
class Point:
    """What a schedule costs and gives, over all jobs."""

    delay_setting: float
    requests: float
    delay: float
    p99: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1500, help="of each workload")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="150 jobs, for CI")
    options = parser.parse_args()
    if options.short:
        options.jobs = 150
    report = Report("detection", {"jobs": options.jobs, "seed": options.seed})
    for workload in WORKLOADS:
        say(f"{workload.name}: {workload.says}")
        compare(report, workload, options)
    report.write()


def compare(report: Report, workload: Workload, options: argparse.Namespace) -> None:
    rng = random.Random(options.seed)
    jobs = [workload.job(rng) for _ in range(options.jobs)]
    random.seed(options.seed)  # the schedule's jitter
    fixed = {delay: simulate(jobs, delay, partial(_every, delay)) for delay in FIXED}
    curves: dict[str, list[Point]] = {}
    for known in HISTORIES:
        histories = [[workload.draw(rng) for _ in range(known)] for _ in jobs]
        curves[after(known)] = [simulate(jobs, delay, partial(_ours_knowing, delay, histories)) for delay in OUR_DELAYS]
    curves["the limit"] = limit(jobs)
    table_at_fixed(report, workload, fixed, curves)
    for name in (after(0), after(10)):
        rows = [[point.delay_setting, point.requests, point.delay, point.p99] for point in curves[name]]
        headers = ["waiter_delay", "requests a job", "mean delay s", "p99 delay s"]
        report.table(headers, rows, f"{workload.name}: frontier of amplifybackend, {name}")
    report.more.setdefault("frontiers", {})[workload.name] = {
        name: [vars(point) for point in curve] for name, curve in curves.items()
    }


def after(known: int) -> str:
    return "no history" if not known else f"after {known} job{'s' * (known > 1)}"


def _every(delay: float, _: int) -> Iterator[float]:
    return every(delay)


def _ours_knowing(delay: float, histories: Sequence[Sequence[float]], number: int) -> Iterator[float]:
    return ours(delay, histories[number])


def _always(looks: Sequence[float], _: int) -> Iterator[float]:
    return iter(looks)


def every(delay: float) -> Iterator[float]:
    """The amazon provider's waiter: a look at once, then one after each delay."""
    now = 0.0
    while True:
        yield now
        now += delay


def ours(delay: float, history: Sequence[float]) -> Iterator[float]:
    """The provider's schedule as the trigger drives it, after the look on the worker."""
    schedule = PollSchedule(delay, Durations.of(history))
    now = 0.0
    while True:
        yield now
        now += schedule.next_delay(now)


def simulate(jobs: Sequence[float], setting: float, looks: Callable[[int], Iterator[float]]) -> Point:
    requests, delays = [], []
    for number, duration in enumerate(jobs):
        for count, at in enumerate(looks(number), 1):
            if at >= duration:
                requests.append(count)
                delays.append(at - duration)
                break
    return Point(setting, statistics.fmean(requests), statistics.fmean(delays), percentile(delays, 0.99) or 0.0)


def limit(jobs: Sequence[float]) -> list[Point]:
    """The best schedules for this distribution, from many requests to few, by dynamic programming on whole seconds."""
    horizon = math.ceil(max(jobs)) + 1
    ends = [0.0] * (horizon + 1)  # how many jobs end within the second before t
    for duration in jobs:
        ends[math.ceil(duration)] += 1
    alive, weight = [0.0] * (horizon + 1), [0.0] * (horizon + 1)
    gone = mass = 0.0
    for t in range(horizon + 1):
        gone += ends[t]
        mass += ends[t] * t
        alive[t], weight[t] = gone, mass
    points = []
    for price in (0.1, 0.2, 0.5, 1, 2, 3.5, 6, 10, 16, 25, 40, 70, 120, 200, 400, 800):
        looks = _best_looks(horizon, alive, weight, price)
        points.append(simulate(jobs, price, partial(_always, looks)))
    return points


def _best_looks(horizon: int, gone: list[float], mass: list[float], price: float) -> list[float]:
    """The looks that cost least, if a look costs as much as so many seconds of delay."""
    total = gone[horizon]
    cost, following = [0.0] * (horizon + 1), [horizon] * (horizon + 1)
    for since in range(horizon - 1, -1, -1):
        left = total - gone[since]
        best = math.inf
        for at in range(since + 1, horizon + 1):
            delay = (gone[at] - gone[since]) * at - (mass[at] - mass[since])
            value = price * left + delay + cost[at]
            if value < best:
                best, following[since] = value, at
            if price * left + delay > best:
                break  # later looks only delay more
        cost[since] = best
    looks, at = [0.0], 0
    while at < horizon:
        at = following[at]
        looks.append(float(at))
    return looks


def table_at_fixed(
    report: Report, workload: Workload, fixed: dict[float, Point], curves: dict[str, list[Point]]
) -> None:
    rows = []
    for delay, point in fixed.items():
        rows.append([f"fixed {delay:g} s", point.requests, point.delay, point.p99, "", ""])
        for name, curve in curves.items():
            at_requests = interpolate(curve, "requests", "delay", point.requests)
            at_delay = interpolate(curve, "delay", "requests", point.delay)
            less_delay, fewer = ratio(point.delay, at_requests), ratio(point.requests, at_delay)
            default = (
                next((found for found in curve if found.delay_setting == delay), None) if name != "the limit" else None
            )
            shown = [default.requests, default.delay, default.p99] if default else ["", "", ""]
            rows.append([f"  {name}", *shown, times(less_delay), times(fewer)])
            report.rows.append(
                {
                    "workload": workload.name,
                    "fixed_delay": delay,
                    "schedule": name,
                    "fixed": vars(point),
                    "same_setting": vars(default) if default else None,
                    "delay_at_equal_requests": at_requests,
                    "requests_at_equal_delay": at_delay,
                    "times_less_delay": less_delay,
                    "times_fewer_requests": fewer,
                }
            )
    headers = [
        "schedule",
        "requests a job",
        "mean delay s",
        "p99 delay s",
        "delay at equal requests",
        "requests at equal delay",
    ]
    report.table(headers, rows, f"{workload.name}: {workload.says}")
    for name in (after(0), after(10)):
        for delay in FIXED:
            row = next(
                row
                for row in report.rows
                if (row["workload"], row["fixed_delay"], row["schedule"]) == (workload.name, delay, name)
            )
            best = max((row["times_less_delay"] or 0.0), (row["times_fewer_requests"] or 0.0))
            measured = f"delay {times(row['times_less_delay'])}, requests {times(row['times_fewer_requests'])}"
            report.goal(
                f"{workload.name}, {name}, against {delay:g} s: half the delay or half the requests",
                best >= 2 if best else None,
                measured,
            )


def times(value: float | None) -> str:
    return "-" if value is None else f"1/{cell(value)}"


def interpolate(curve: Sequence[Point], known: str, wanted: str, value: float) -> float | None:
    """Read the curve at a value, on logarithmic scales; None beyond its ends."""
    points: list[tuple[float, float]] = sorted((getattr(point, known), getattr(point, wanted)) for point in curve)
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= value <= x1:
            if x0 == x1 or min(x0, x1, y0, y1) <= 0:
                return min(y0, y1)
            share = (math.log(value) - math.log(x0)) / (math.log(x1) - math.log(x0))
            return math.exp(math.log(y0) + share * (math.log(y1) - math.log(y0)))
    return None


if __name__ == "__main__":
    main()
