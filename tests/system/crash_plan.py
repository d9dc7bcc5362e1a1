"""The choices of a crash campaign: everything that chance decides, drawn from one seed before a run begins.

What is chosen is repeatable; at which instruction a signal lands is for the machine to say.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, TypeVar

Step = Literal[
    "begins",
    "looks",
    "intent stored",
    "intent, request dies",
    "request held",
    "answer held",
    "id not stored",
    "answer lost",
    "waits",
    "resumes",
    "any moment",
]
Strike = Literal[
    "task",
    "supervisor",
    "both",
    "triggerer",
    "scheduler",
    "worker",
    "pause task",
    "pause supervisor",
    "pause both",
    "pause triggerer",
    "clear",
]

TASKS = ("clone", "create_auth", "update_auth", "delete")
# Before the service has accepted a start, so that the next try begins from the same place. (step, weight)
Picked = TypeVar("Picked", bound=str)

BEFORE: tuple[tuple[Step, int], ...] = (
    ("begins", 2),
    ("looks", 3),
    ("intent stored", 3),
    ("intent, request dies", 3),
    ("any moment", 1),
)
# These come with the one start that is accepted, so a task has one of them at most.
START: tuple[tuple[Step, int], ...] = (
    ("request held", 3),
    ("answer held", 3),
    ("id not stored", 3),
    ("answer lost", 3),
)
AFTER: tuple[tuple[Step, int], ...] = (("looks", 2), ("waits", 5), ("resumes", 4), ("any moment", 1))

# No try looks after its start; only the next one does.
AFTER_FIRST_TRY: tuple[tuple[Step, int], ...] = (("waits", 5), ("resumes", 4), ("any moment", 1))

STRIKES: tuple[tuple[Strike, int], ...] = (
    ("task", 44),
    ("supervisor", 13),
    ("both", 10),
    ("worker", 5),
    ("triggerer", 3),
    ("scheduler", 3),
    ("pause task", 5),
    ("pause supervisor", 4),
    ("pause both", 4),
    ("clear", 9),
)
# Nothing of the task is there to be killed but its trigger.
STRIKES_WHILE_DEFERRED: tuple[tuple[Strike, int], ...] = (
    ("triggerer", 10),
    ("scheduler", 3),
    ("pause triggerer", 3),
    ("clear", 10),
)
# How these are reached decides what dies in them.
KILLS_ONLY: tuple[tuple[Strike, int], ...] = (("task", 3), ("both", 2), ("supervisor", 2))
LOSSES = ("timeout_after", "reset_after", "truncate", "empty")


@dataclass(frozen=True)
class Attack:
    """One strike at one step of a task. `moment` (0 to 1) is when within the step, `detail` what else is chosen."""

    step: Step
    strike: Strike
    moment: float
    detail: float
    loss: str

    def __str__(self) -> str:
        return f"{self.strike} / {self.step}"


@dataclass(frozen=True)
class RunPlan:
    """A DAG run: how its tasks wait, and for every round and task the attacks in their order."""

    number: int
    deferrable: bool
    rounds: tuple[dict[str, tuple[Attack, ...]], ...]
    # Tasks whose first job is to fail, so that one more start is right.
    failing: frozenset[str]

    @property
    def environment(self) -> str:
        """A name that the Amplify CLI would take: small letters."""
        letters, number = "", self.number
        while number:
            number, digit = divmod(number, 26)
            letters = chr(ord("a") + digit) + letters
        return f"env{letters}"


def plan_run(seed: int, number: int, *, celery: bool = False) -> RunPlan:
    """The plan of the campaign's run with this number."""
    chance = random.Random(f"{seed}/{number}" + "/celery" * celery)
    deferrable = chance.random() < 0.7
    rounds = 2 if chance.random() < 0.2 else 1
    failing = frozenset(task for task in ("create_auth", "update_auth") if chance.random() < 0.1)
    return RunPlan(
        number=number,
        deferrable=deferrable,
        rounds=tuple({task: _attacks(chance, deferrable, celery) for task in TASKS} for _ in range(rounds)),
        failing=failing,
    )


def _attacks(chance: random.Random, deferrable: bool, celery: bool) -> tuple[Attack, ...]:
    steps = [_pick(chance, BEFORE) for _ in range(chance.choice((0, 0, 1, 1, 2)))]
    if chance.random() < 0.65:
        steps.append(_pick(chance, START))
    after = AFTER if steps else AFTER_FIRST_TRY
    steps += [_pick(chance, after) for _ in range(chance.choice((0, 1, 1, 2)))]
    return tuple(_attack(chance, step, deferrable, celery) for step in steps)


def _attack(chance: random.Random, step: Step, deferrable: bool, celery: bool) -> Attack:
    strikes = STRIKES
    if step in ("intent stored", "id not stored"):
        strikes = KILLS_ONLY
    elif step == "waits" and deferrable:
        strikes = STRIKES_WHILE_DEFERRED
    strike = _pick(chance, strikes)
    # LocalExecutor's worker is the supervisor.
    if strike == "worker" and not celery:
        strike = "supervisor"
    elif strike == "supervisor" and celery and strikes is STRIKES:
        strike = "worker"
    return Attack(step, strike, chance.random(), chance.random(), chance.choice(LOSSES))


def _pick(chance: random.Random, weighted: tuple[tuple[Picked, int], ...]) -> Picked:
    return chance.choices([what for what, _ in weighted], [weight for _, weight in weighted])[0]
