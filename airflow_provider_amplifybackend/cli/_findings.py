"""The findings of a check-up, and what each answer means. Pure: what was asked comes in, sentences go out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError, says_missing
from airflow_provider_amplifybackend.guard.verdict import Mode

WIDTH = 118
# AWS refuses a request whose time is more than five minutes off.
MOST_SKEW = 300.0
WORTH_A_WARNING = 60.0
# What every operator with a job calls; of the others it depends on which are used.
NEEDED_READS = frozenset({"GetBackend", "GetBackendJob", "ListBackendJobs"})
NO_ENTRY = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class Mark(StrEnum):
    """The kind of a finding."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "WRONG"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """A finding about one thing."""

    mark: Mark
    what: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"mark": str(self.mark), "what": self.what, "text": self.text}


def screen(title: str, findings: Iterable[Finding]) -> str:
    """Return the findings as one screen of text."""
    return "\n".join([title, "", *(_lines(finding) for finding in findings)]) + "\n"


def _lines(finding: Finding) -> str:
    head = f"{finding.mark:<8} {finding.what:<12} "
    return textwrap.fill(
        finding.text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong; a warning is not."""
    return all(finding.mark is not Mark.WRONG for finding in findings)


def clock_finding(seconds: float | None) -> Finding:
    """Return the finding about the clock.

    :param seconds: How far the service's clock is ahead of ours; None: no answer has told it.
    """
    if seconds is None:
        return Finding(Mark.UNKNOWN, "clock", "no answer has told the service's time")
    off = abs(seconds)
    side = "behind" if seconds > 0 else "ahead of"
    text = f"this machine's clock is {off:.0f} s {side} the service's"
    if off >= MOST_SKEW:
        return Finding(Mark.WRONG, "clock", f"{text}; AWS refuses requests that are off by more than {MOST_SKEW:.0f} s")
    if off >= WORTH_A_WARNING:
        return Finding(Mark.WARNING, "clock", text)
    # A Date header has whole seconds.
    return Finding(Mark.OK, "clock", text if off >= 2 else "the same as the service's")


@dataclass(frozen=True)
class Asked:
    """The answers to reads of one service, by operation; None: it was answered."""

    answers: Mapping[str, ServiceError | None]

    @property
    def allowed(self) -> list[str]:
        """The operations that were carried out, or that found nothing."""
        return [name for name, error in self.answers.items() if error is None or says_missing(error)]

    @property
    def denied(self) -> list[str]:
        """The operations that the identity may not call."""
        return [name for name, error in self.answers.items() if error is not None and error.code in NO_ENTRY]

    @property
    def unclear(self) -> dict[str, ServiceError]:
        """The operations whose answers tell neither."""
        known = {*self.allowed, *self.denied}
        return {name: error for name, error in self.answers.items() if error is not None and name not in known}


def reads_findings(asked: Asked, not_asked: int) -> Iterable[Finding]:
    """Yield the findings about AmplifyBackend's reads.

    :param not_asked: How many operations change something, so that they were not called.
    """
    yield _allowed(asked, not_asked)
    if asked.denied:
        needed = NEEDED_READS.intersection(asked.denied)
        names = ", ".join(f"amplifybackend:{name}" for name in asked.denied)
        why = "nearly every task needs it" if needed else "tasks that call it fail"
        yield Finding(Mark.WRONG if needed else Mark.WARNING, "denied", f"{names} ({why}; docs/iam.md)")
    if asked.unclear:
        told = "; ".join(f"{name}: {error.code}" for name, error in asked.unclear.items())
        yield Finding(Mark.WARNING, "unclear", told)


def _allowed(asked: Asked, not_asked: int) -> Finding:
    names = ", ".join(asked.allowed) or "none"
    text = f"{len(asked.allowed)} of {len(asked.answers)} reads: {names}. Not called: {not_asked} that change something"
    return Finding(Mark.OK if asked.allowed else Mark.WRONG, "allowed", text)


def way_finding(error: ServiceError) -> Finding | None:
    """Return why nothing at all can be asked; None if the error is about the one call only."""
    if error.kind is FaultKind.UNSENT:
        return Finding(Mark.WRONG, "endpoint", f"cannot be reached: {error.code}: {error.message}")
    if error.kind in (FaultKind.CREDENTIALS, FaultKind.EXPIRED) or error.code.startswith("MissingAuthentication"):
        return Finding(Mark.WRONG, "credentials", f"refused or missing: {error.code}: {error.message}")
    if error.code in ("NoRegionError", "InvalidRegionError"):
        return Finding(Mark.WRONG, "region", error.message)
    return Finding(Mark.WRONG, "client", f"{error.code}: {error.message}") if error.code.endswith("Error") else None


def guard_finding(mode: Mode, entries: int, unreadable: Sequence[str], *, has_environment: bool) -> Finding:
    """Return the finding about the guard's signs."""
    names = f"[amplifybackend] guard is {mode}, {entries} protected {'name' if entries == 1 else 'names'}"
    if mode is Mode.OFF:
        return Finding(Mark.WARNING, "guard", f"{names}: signs of a Gen 2 migration refuse nothing")
    if unreadable:
        wrong = mode is Mode.REQUIRE
        effect = "every deletion and change is refused" if wrong else "they do not protect"
        text = f"{names}; cannot be read, so {effect}: {', '.join(dict.fromkeys(unreadable))}"
        return Finding(Mark.WRONG if wrong else Mark.WARNING, "guard", text)
    if not has_environment:
        return Finding(Mark.UNKNOWN, "guard", f"{names}; there is no environment here whose signs could be read")
    return Finding(Mark.OK, "guard", f"{names}; all signs can be read")


def triggerer_finding(is_running: bool | None, *, is_default: bool) -> Finding:
    """Return the finding about the triggerer.

    :param is_default: Whether tasks are deferrable unless they say otherwise.
    """
    if is_running is None:
        return Finding(Mark.UNKNOWN, "triggerer", "Airflow's database cannot be read from here")
    if is_running:
        return Finding(Mark.OK, "triggerer", "running")
    return Finding(
        Mark.WRONG if is_default else Mark.WARNING,
        "triggerer",
        "none is running (none in this Airflow's database): tasks with deferrable=True would wait for ever",
    )
