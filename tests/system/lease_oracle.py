"""Counts what a lease campaign's runs left in the service. The rules are in `lease_campaign`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LEASE = "amplifybackend:lease:"
Entry = Mapping[str, Any]


@dataclass
class LeaseVerdict:
    """What is wrong after a campaign."""

    without_lease: int = 0
    vanished: int = 0
    cloned_twice: int = 0
    over_limit: int = 0
    unfinished: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not any((self.without_lease, self.vanished, self.cloned_twice, self.over_limit, self.unfinished))

    def __str__(self) -> str:
        return (
            f"left without a lease {self.without_lease} · deleted while the body ran {self.vanished} · "
            f"cloned twice {self.cloned_twice} · over the limit {self.over_limit} · unfinished {self.unfinished}"
        )


def judge(
    journal: Iterable[Entry],
    jobs: Mapping[str, Entry],
    *,
    environments: Iterable[str],
    tags: Mapping[str, str],
    groups: Mapping[str, str],
    limit: int,
    states: Mapping[str, str],
) -> LeaseVerdict:
    """Judge a campaign.

    :param journal: The requests that took effect.
    :param jobs: All jobs of the service by their ids.
    :param environments: Those that are there at the end, but for the source.
    :param tags: The app's tags at the end.
    :param groups: The group, which the limit is for, of each environment.
    :param states: How each run ended.
    """
    verdict = LeaseVerdict()
    for run_id, state in sorted(states.items()):
        if state != "success":
            verdict.unfinished += 1
            verdict.findings.append(f"{run_id}: {state}")
    for name in environments:
        if LEASE + name not in tags:
            verdict.without_lease += 1
            verdict.findings.append(f"{name}: left without a lease")
    entries = sorted(journal, key=lambda entry: float(entry["time"]))
    seen = {
        entry["parameters"]["BackendEnvironmentName"]
        for entry in entries
        if entry["operation"] == "ListBackendJobs" and entry["parameters"].get("Operation") == "vanished"
    }
    verdict.vanished = len(seen)
    verdict.findings += [f"{name}: vanished while the body ran" for name in sorted(seen)]
    _count_clones(verdict, entries, jobs)
    _count_living(verdict, entries, jobs, groups, limit)
    return verdict


def _count_clones(verdict: LeaseVerdict, entries: list[Entry], jobs: Mapping[str, Entry]) -> None:
    clones: dict[str, list[str]] = {}
    for entry in entries:
        if entry["operation"] == "CloneBackend" and entry["job_id"]:
            clones.setdefault(entry["parameters"]["TargetEnvironmentName"], []).append(entry["job_id"])
    for name, started in clones.items():
        good = [job_id for job_id in started if jobs[job_id]["Status"] != "FAILED"]
        if len(good) > 1:
            verdict.cloned_twice += 1
            verdict.findings.append(f"{name}: cloned {len(good)} times")


def _count_living(
    verdict: LeaseVerdict, entries: list[Entry], jobs: Mapping[str, Entry], groups: Mapping[str, str], limit: int
) -> None:
    """Count the moments at which more environments of a group lived than may."""
    changes: list[tuple[float, int, str]] = []
    for entry in entries:
        job = jobs.get(entry["job_id"] or "")
        if job is None:
            continue
        if entry["operation"] == "CloneBackend":
            changes.append((float(entry["time"]), 1, entry["parameters"]["TargetEnvironmentName"]))
        elif entry["operation"] == "DeleteBackend" and job["Status"] == "COMPLETED":
            changes.append((int(job["UpdateTime"]) / 1000, 0, entry["parameters"]["BackendEnvironmentName"]))
    living: set[str] = set()
    for _, begins, name in sorted(changes):
        living = living | {name} if begins else living - {name}
        group = [one for one in living if groups.get(one) == groups.get(name)]
        if begins and len(group) > limit:
            verdict.over_limit += 1
            verdict.findings.append(f"{name}: lived with {sorted(set(group) - {name})}, and {limit} may")
