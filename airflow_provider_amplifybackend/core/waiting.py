"""One wait: its observations so far, the lines for the log, and its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_amplifybackend.core.job import KNOWN_STATUSES, Job, duration_text, iso_time, took_text
from airflow_provider_amplifybackend.core.requests import PARAMETER_ERRORS, FaultKind, ServiceError, says_missing
from airflow_provider_amplifybackend.core.status_check import Awaited, CheckResult
from airflow_provider_amplifybackend.core.timing import current

# How often in a row an error that nobody can explain is taken for a hiccup.
UNEXPLAINED_PATIENCE = 3


@dataclass(frozen=True)
class Note:
    """A line for the log: what happened first, and the ids last, where a narrow window cuts them."""

    what: str
    awaited: Awaited
    level: int = logging.INFO

    def text(self, next_check: float | None = None) -> str:
        """Return the line, with the seconds until the next status check if there is one."""
        when = "" if next_check is None else f"; next status check in {next_check:.0f} s"
        return f"{self.what}{when}: {self.awaited}"


class Wait:
    """The observations of one wait so far, and its end.

    :param connection_works: Whether the connection has just been used with success: then credentials that cannot be
        obtained are a passing failure, and otherwise a mistake in the set-up.
    :param silent_fail: As that of a sensor: log what would fail, and keep waiting.
    :param first_missed: When this wait's first status check found nothing, in another process. Default: none did.
    """

    def __init__(
        self,
        awaited: Awaited,
        *,
        deadline: float,
        started: float,
        connection_works: bool = False,
        silent_fail: bool = False,
        first_missed: float | None = None,
    ) -> None:
        self.awaited = awaited
        self.deadline = deadline
        self.started = started
        self.connection_works = connection_works
        self.silent_fail = silent_fail
        self.last_status: str | None = None
        self.last_error: ServiceError | None = None
        self._seen = False
        self._timing = current()
        self._noted_errors: frozenset[str] = frozenset()
        self._first_missed = first_missed
        self._unexplained = 0
        self._reported_at: float | None = None

    def saw(self, seen: CheckResult) -> Note | None:
        """Take note of a status check; return a line to log if something changed."""
        recovered, self.last_error, self._seen = self.last_error, None, True
        self._noted_errors = frozenset()
        self._unexplained = 0
        if seen.status == self.last_status:
            return Note(f"{seen.status}, status checks succeed again", self.awaited) if recovered else None
        earlier, self.last_status = self.last_status, seen.status
        what = f"{seen.status}{took_text(seen)}" + (f" (was {earlier})" if earlier else "")
        if isinstance(seen, Job) and seen.status not in KNOWN_STATUSES:
            what += ", a status unknown to this version; still waiting"
        return Note(what, self.awaited, logging.WARNING if _has_failed(seen) else logging.INFO)

    def is_ended_by(self, seen: CheckResult) -> bool:
        """Tell whether a status check ends the wait."""
        return seen.is_finished and not (self.silent_fail and _has_failed(seen))

    def missed(self, error: ServiceError, now: float) -> Note | None:
        """Take note of an error; return a line to log if it is a new one.

        :raises ServiceError: the error, if waiting longer cannot help.
        """
        # Counted from here and not from `started`: the job may be younger than the wait for others before it.
        if self._first_missed is None:
            self._first_missed = now
        self._unexplained += error.is_unexplained
        if not self._can_pass(error, now):
            raise error
        self.last_error = error
        if error.code in self._noted_errors:
            return None
        self._noted_errors |= {error.code}
        return Note(f"Retrying after {error}", self.awaited, logging.WARNING)

    def _can_pass(self, error: ServiceError, now: float) -> bool:
        if self.silent_fail and error.code not in PARAMETER_ERRORS:
            return True
        if error.kind is FaultKind.CREDENTIALS:
            return self.connection_works
        if self._unexplained > UNEXPLAINED_PATIENCE:
            return False
        is_new = not self._seen and now - (self._first_missed or now) < self._timing.not_found_patience
        return error.is_transient or (says_missing(error) and is_new)

    def due_report(self, now: float, usual: float | None = None) -> Note | None:
        """Return the line that says that the task still waits, if it is time for one.

        :param usual: The usual duration of such jobs, in seconds.
        """
        if self.until_report(now) > 0:
            return None
        self._reported_at = now
        facts = [f"{self.last_status or 'Not observed yet'}, still waiting after {duration_text(now - self.started)}"]
        if usual is not None:
            facts.append(f"such jobs usually take {duration_text(usual)}")
        facts.append(f"timing out at {iso_time(int(self.deadline * 1000))}")
        if self.last_error:
            facts.append(f"last error: {self.last_error}")
        return Note("; ".join(facts), self.awaited, logging.WARNING if self.last_error else logging.INFO)

    def until_report(self, now: float) -> float:
        """Return the seconds until the next line that says that the task still waits."""
        if self._reported_at is None:
            self._reported_at = now
        return max(0.0, self._reported_at + self._timing.report_every - now)

    def is_over(self, now: float) -> bool:
        """Tell whether the time budget has ended."""
        return now >= self.deadline

    def until_deadline(self, now: float) -> float:
        """Return the seconds left. The last status check is at the deadline: a job that ends in time is not missed."""
        return max(0.0, self.deadline - now)


def _has_failed(seen: CheckResult) -> bool:
    return isinstance(seen, Job) and seen.is_failed
