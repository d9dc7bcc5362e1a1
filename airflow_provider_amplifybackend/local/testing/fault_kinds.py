"""The kinds of faults with their options: what each takes, by default and at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.job_book import ROW_MEMBERS
from airflow_provider_amplifybackend.local.service.stack_parts import LEFTOVERS

# Every kind with the options it takes and their defaults.
ANSWER_KINDS: dict[str, dict[str, Any]] = {
    "throttle": {"limit_type": "RequestRate", "message": "Rate exceeded"},
    "denied": {},
    "timeout_before": {"message": "Endpoint request timed out"},
    "timeout_after": {"message": "Endpoint request timed out"},
    "reset_before": {},
    "reset_after": {},
    "truncate": {"keep_bytes": None},
    "empty": {},
    "pending": {},
    "error": {"status": 500, "code": "InternalFailure", "message": "Something broke", "when": "before"},
    "answer": {"members": {}},
}
DELAY_KINDS: dict[str, dict[str, Any]] = {"delay": {"seconds": 1.0, "when": "before"}}
JOB_KINDS: dict[str, dict[str, Any]] = {
    "job_fails": {"error": "The job failed as scripted by a fault"},
    "job_stuck": {"status": "RUNNING"},
    "job_status": {"status": "SOMETHING_NEW", "seconds": None},
    "job_row": {"members": {}},
    "list_lag": {"seconds": 5.0, "get_too": False},
    "leftovers": {"what": ["stack"]},
}
KINDS = {**ANSWER_KINDS, **DELAY_KINDS, **JOB_KINDS}

# An error code travels in a header, which takes no other characters.
_CODE = re.compile(r"[!-~]{1,200}")


def _code(value: Any, what: str) -> str:
    if not _CODE.fullmatch(checks.text(value, what)):
        raise ValueError(f"{what} must be 1 to 200 visible ASCII characters, not {checks.shown(value)}")
    return str(value)


def _when(value: Any, what: str) -> str:
    if value not in ("before", "after"):
        raise ValueError(f"{what} must be 'before' or 'after' the request takes effect, not {checks.shown(value)}")
    return str(value)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object, not {checks.shown(value)}")
    return value


def leftovers(value: Any, what: str) -> list[str]:
    """Check a list of what a deletion leaves behind."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) and one in LEFTOVERS for one in value):
        raise ValueError(f"{what} must be a list of {', '.join(LEFTOVERS)}, not {checks.shown(value)}")
    return list(value)


def _optional(check: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, what: None if value is None else check(value, what)


_OPTION_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "limit_type": checks.text,
    "message": checks.text,
    "keep_bytes": _optional(lambda value, what: checks.whole(value, what, least=0)),
    "code": _code,
    "when": _when,
    "error": _optional(checks.text),
    "seconds": _optional(checks.seconds),
    "get_too": checks.flag,
    "members": _object,
    "what": leftovers,
}
# `status` is an HTTP status in one kind and a job's status in others; no kind but `job_status` may go on for ever.
_KIND_CHECKS: dict[tuple[str, str], Callable[[Any, str], Any]] = {
    # Lower ones are no errors, and some of them must not have a body.
    ("error", "status"): lambda value, what: checks.whole(value, what, least=400, most=599),
    ("job_stuck", "status"): checks.text,
    ("job_status", "status"): checks.text,
    ("delay", "seconds"): checks.seconds,
    ("list_lag", "seconds"): checks.seconds,
}

# These leave the service's state alone; all other answer kinds come after the request took effect.
BEFORE_EFFECT = frozenset({"throttle", "denied", "timeout_before", "reset_before", "pending"})


def check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Check the options of a script of a known kind.

    :raises ValueError: An option is not one of this kind, or has a value that it does not take.
    """
    unknown = set(options) - set(KINDS[kind])
    if unknown:
        allowed = ", ".join(sorted(KINDS[kind])) or "none"
        raise ValueError(f"{kind} has no option {', '.join(sorted(unknown))}; it takes: {allowed}")
    for option, value in options.items():
        check = _KIND_CHECKS.get((kind, option)) or _OPTION_CHECKS[option]
        check(value, option)
    if kind == "job_row":
        job_row(options.get("members", {}))


def job_row(given: Any) -> dict[str, str | None]:
    """Return the members that a job's row shows instead of its own, whatever their texts; null leaves one out."""
    members = _object(given, "a row")
    unknown = set(members) - set(ROW_MEMBERS)
    if unknown:
        raise ValueError(
            f"a job's row has no {', '.join(sorted(unknown))}; members are: {', '.join(sorted(ROW_MEMBERS))}"
        )
    return {member: _optional(checks.text)(value, member) for member, value in members.items()}
