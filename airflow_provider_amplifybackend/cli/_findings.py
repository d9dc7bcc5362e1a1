"""The findings of a check-up, and what each answer means. Pure: what was asked comes in, sentences go out.

Secrets are looked for in what others have said, and not in the sentences that are made of it: in those, a word such as
GetToken or ExpiredToken would make a secret of what stands behind it. What the service says in a ServiceError has been
looked through; what our own code says there can quote a setting.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_amplifybackend.core.requests import PARAMETER_ERRORS, FaultKind, ServiceError, says_missing
from airflow_provider_amplifybackend.core.secrets import redact_words
from airflow_provider_amplifybackend.guard.verdict import Mode
from airflow_provider_amplifybackend.hooks._secrets_places import Unread

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


def lines(finding: Finding) -> str:
    """Return a finding as text, on as many lines as it takes."""
    head = f"{finding.mark:<8} {finding.what:<12} "
    return textwrap.fill(
        finding.text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong; a warning is not."""
    return all(finding.mark is not Mark.WRONG for finding in findings)


def foreign(text: object) -> str:
    """Return what somebody else has said, as a part of a finding: without secrets."""
    return redact_words(str(text))


def broken_off(error: Exception) -> Finding:
    """Return the finding about an error that nobody has reckoned with: the check-up ends there."""
    return Finding(Mark.WRONG, "check-up", f"broken off by {type(error).__name__}: {foreign(error)}")


# ------------------------------------------------------------------------------------------------- the way to AWS


def unread_finding(conn_id: str, unread: Sequence[Unread], *, is_optional: bool) -> Finding:
    """Return the finding about a connection that was not found, and that may well be where nobody could look.

    :param is_optional: Whether tasks go on without it, with boto3's own credentials.
    """
    text = f"{conn_id} cannot be looked up: {'; '.join(map(str, unread))}"
    if not is_optional:
        return Finding(Mark.WRONG, "connection", text)
    # Where no task can ask the database either, as on Amazon MWAA, nothing is missing. What was set does not parse.
    mark = Mark.WARNING if all(place.is_database for place in unread) else Mark.WRONG
    return Finding(mark, "connection", f"{text}; boto3's own credentials are used")


def found_finding(conn_id: str, conn_type: str) -> Finding:
    """Return the finding about a connection that was found."""
    if conn_type != "aws":
        text = f"{conn_id} was found, but its type is {foreign(conn_type)!r}, not 'aws'"
        return Finding(Mark.WARNING, "connection", text)
    return Finding(Mark.OK, "connection", f"{conn_id} was found")


def client_finding(error: ServiceError, role: str | None) -> Finding:
    """Return why no client can be made, or none that has credentials.

    :param role: The role that the connection names.
    """
    if known := credentials_finding(error, role) or _region_finding(error):
        return known
    if error.kind in (FaultKind.UNSENT, FaultKind.UNCLEAR, FaultKind.THROTTLED) or error.code == "SSLError":
        return Finding(Mark.WRONG, "credentials", f"{_had(role)}: {error.reason}: {error.message}")
    if error.code in PARAMETER_ERRORS:
        return Finding(Mark.WRONG, "connection", f"cannot be used: {foreign(error.message)}")
    return Finding(Mark.WRONG, "connection", f"cannot be used: {error.reason}: {error.message}")


def credentials_finding(error: ServiceError, role: str | None) -> Finding | None:
    """Return what is wrong with the credentials; None if the error is about something else."""
    if error.step:
        return Finding(Mark.WRONG, "credentials", f"{_had(role)}: {error.reason}: {error.message}")
    is_missing = error.code.startswith("MissingAuthentication") or error.code == "PartialCredentialsError"
    if is_missing or error.kind in (FaultKind.CREDENTIALS, FaultKind.EXPIRED):
        return Finding(Mark.WRONG, "credentials", f"refused or missing: {error.code}: {error.message}")
    return None


def _had(role: str | None) -> str:
    return f"role {foreign(role)} cannot be assumed" if role else "cannot be had"


def _region_finding(error: ServiceError) -> Finding | None:
    if error.code in ("NoRegionError", "InvalidRegionError"):
        return Finding(Mark.WRONG, "region", error.message)
    return None


def silence_finding(endpoint: str, error: ServiceError, role: str | None) -> Finding:
    """Return why a call has brought no answer at all.

    :param endpoint: The address, in words.
    """
    if error.kind is FaultKind.UNSENT:
        return Finding(Mark.WRONG, "endpoint", f"{endpoint} cannot be reached: {error.code}: {error.message}")
    if error.kind is FaultKind.UNCLEAR or error.code == "SSLError":
        return Finding(Mark.WRONG, "endpoint", f"{endpoint} gives no answer: {error.code}: {error.message}")
    return client_finding(error, role)


def stranger_finding(endpoint: str, said: str) -> Finding:
    """Return the finding about an endpoint that is something else: a web server, a proxy, another service."""
    return Finding(Mark.WRONG, "endpoint", f"{endpoint} answers, but not as AmplifyBackend: {foreign(said)}")


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


# --------------------------------------------------------------------------------------------- what may be called


@dataclass(frozen=True)
class Place:
    """The app and the environment to ask about, as far as they were given or found.

    :param environments: Those of the app.
    :param error: The reason why they are unknown.
    :param unlisted: The reason why the account's apps are unknown, where no app was given.
    """

    app_id: str | None
    environment: str | None
    is_given: bool = False
    environments: Sequence[str] = ()
    error: ServiceError | None = None
    unlisted: str = ""


def place_finding(place: Place) -> Finding:
    """Return the finding about the app: wrong only if the service says that something is not there."""
    app_id, error = foreign(place.app_id), place.error
    if error is not None and error.code in PARAMETER_ERRORS:
        return Finding(Mark.WRONG, "app", foreign(error.message))
    if error is not None and not says_missing(error):
        return Finding(Mark.UNKNOWN, "app", f"{app_id}: GetBackend was not answered ({error.reason})")
    if place.app_id is None:
        return _no_app_finding(place)
    if place.is_given and not place.environments:
        return Finding(Mark.WRONG, "app", f"{app_id} has no environment in this region and account")
    if place.environment is None:
        return Finding(Mark.UNKNOWN, "app", "none was found; reads are asked about one that does not exist")
    if place.environment not in place.environments:
        return Finding(Mark.WRONG, "app", f"{app_id} has no environment {foreign(place.environment)}")
    in_all = f"({len(place.environments)} in all)"
    return Finding(Mark.OK, "app", f"{app_id}, environment {foreign(place.environment)} {in_all}")


def _no_app_finding(place: Place) -> Finding:
    if place.environment is not None and not place.unlisted:
        text = f"there is none in this region and account, and so no environment {foreign(place.environment)}"
        return Finding(Mark.WRONG, "app", text)
    why = f" ({foreign(place.unlisted)})" if place.unlisted else ""
    return Finding(Mark.UNKNOWN, "app", f"none was found{why}; reads are asked about one that does not exist")


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
        return [
            name
            for name, error in self.answers.items()
            if error is not None and error.code in NO_ENTRY and not error.step
        ]

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
        told = "; ".join(f"{name}: {error.reason}" for name, error in asked.unclear.items())
        yield Finding(Mark.WARNING, "unclear", told)


def _allowed(asked: Asked, not_asked: int) -> Finding:
    names = ", ".join(asked.allowed) or "none"
    text = f"{len(asked.allowed)} of {len(asked.answers)} reads: {names}. Not called: {not_asked} that change something"
    return Finding(Mark.OK if asked.allowed else Mark.WRONG, "allowed", text)


def guard_finding(mode: Mode, entries: int, unreadable: Sequence[str], *, has_environment: bool) -> Finding:
    """Return the finding about the guard's signs."""
    names = f"[amplifybackend] guard is {mode}, {entries} protected {'name' if entries == 1 else 'names'}"
    if mode is Mode.OFF:
        return Finding(Mark.WARNING, "guard", f"{names}: signs of a Gen 2 migration refuse nothing")
    if unreadable:
        wrong = mode is Mode.REQUIRE
        effect = "every deletion and change is refused" if wrong else "they do not protect"
        text = f"{names}; cannot be read, so {effect}: {', '.join(map(foreign, dict.fromkeys(unreadable)))}"
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
        "none is running (none in this Airflow's database): tasks with deferrable=True would wait until their deadline",
    )
