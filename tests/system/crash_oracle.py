"""Counts what a crash campaign's runs left in the service. The rules are in `crash_campaign`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.system.crash_attack import OPERATIONS

FINISHED = ("COMPLETED", "FAILED")


@dataclass
class Round:
    """How one round of a run ended: its state, and for each task the ids of jobs that it knows."""

    state: str
    known: dict[str, set[str]]


@dataclass
class Verdict:
    """What is wrong with one run, or with all."""

    duplicates: int = 0
    lost: int = 0
    unfinished: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.duplicates or self.lost or self.unfinished)

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.duplicates + other.duplicates,
            self.lost + other.lost,
            self.unfinished + other.unfinished,
            self.findings + other.findings,
        )


def judge(
    environment: str,
    rounds: list[Round],
    journal: list[dict[str, Any]],
    jobs: dict[str, dict[str, Any]],
) -> Verdict:
    """Judge one run.

    :param journal: The accepted requests that name the run's environment.
    :param jobs: All jobs of the service by their ids.
    """
    verdict = Verdict()
    ended = all(a_round.state == "success" for a_round in rounds)
    if not ended:
        states = ", ".join(a_round.state for a_round in rounds)
        verdict.unfinished += 1
        verdict.findings.append(f"{environment}: unfinished: {states}")
    for task_id, operation in OPERATIONS.items():
        started = [entry["job_id"] for entry in journal if entry["operation"] == operation]
        known = {job_id for a_round in rounds for job_id in a_round.known.get(task_id, ())}
        failed = [job_id for job_id in started if jobs[job_id]["Status"] == "FAILED"]
        allowed = len(rounds) + len(failed)
        if len(started) > allowed:
            verdict.duplicates += len(started) - allowed
            verdict.findings.append(
                f"{environment}: duplicate: {len(started)} starts of {operation}, {allowed} right: {started}"
            )
        if ended and len(started) < allowed:
            verdict.unfinished += 1
            verdict.findings.append(f"{environment}: {operation}: {len(started)} starts, {allowed} were asked for")
        for job_id in started:
            if job_id in failed and job_id != started[-1]:
                continue  # Seen to have failed: or the next one would not have been started.
            if job_id not in known:
                verdict.lost += 1
                verdict.findings.append(f"{environment}: lost: nobody waits for {job_id} ({operation}); known: {known}")
            elif ended and jobs[job_id]["Status"] not in FINISHED:
                verdict.lost += 1
                verdict.findings.append(f"{environment}: lost: {job_id} ({operation}) runs on after the run's success")
    return verdict
