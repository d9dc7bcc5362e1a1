"""Fault scripts: what goes wrong, for which operation, how often."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.job_book import ROW_MEMBERS, Fate
from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS

# Every kind with the options it takes and their defaults.
ANSWER_KINDS: dict[str, dict[str, Any]] = {
    "throttle": {"limit_type": "RequestRate", "message": "Rate exceeded"},
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
    "job_fails": {"error": "The job failed because a fault script says so"},
    "job_stuck": {"status": "RUNNING"},
    "job_status": {"status": "SOMETHING_NEW", "seconds": None},
    "job_row": {"members": {}},
    "list_lag": {"seconds": 5.0, "get_too": False},
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
BEFORE_EFFECT = frozenset({"throttle", "timeout_before", "reset_before", "pending"})


@dataclass
class Fault:
    """One script: when it strikes, and what happens then."""

    fault_id: int
    operation: str
    kind: str
    times: int | None
    probability: float
    seed: int | None
    app_id: str | None
    environment: str | None
    options: dict[str, Any]
    used: int = 0
    random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def before_effect(self) -> bool:
        return self.kind in BEFORE_EFFECT or self.options.get("when") == "before"

    def matches(self, operation: str, parameters: dict[str, Any]) -> bool:
        if self.operation not in ("*", operation):
            return False
        if self.times is not None and self.used >= self.times:
            return False
        if self.app_id is not None and parameters.get("AppId") != self.app_id:
            return False
        if self.environment is None:
            return True
        names = (parameters.get("BackendEnvironmentName"), parameters.get("TargetEnvironmentName"))
        return self.environment in names

    def strikes(self) -> bool:
        if self.probability < 1 and self.random.random() >= self.probability:
            return False
        self.used += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        return {
            "fault_id": self.fault_id,
            "operation": self.operation,
            "kind": self.kind,
            "times": self.times,
            "probability": self.probability,
            "seed": self.seed,
            "app_id": self.app_id,
            "environment": self.environment,
            "used": self.used,
            **self.options,
        }


class FaultBook:
    """The scripts in the order of their making; of several that would change one answer, the first."""

    def __init__(self, operations: Iterable[str]) -> None:
        self._operations = frozenset(operations)
        self._faults: dict[int, Fault] = {}
        self._next_id = 1

    def add(
        self,
        *,
        operation: str = "*",
        kind: str,
        times: int | None = None,
        probability: float = 1.0,
        seed: int | None = None,
        app_id: str | None = None,
        environment: str | None = None,
        **options: Any,
    ) -> Fault:
        self._check(operation, kind, options)
        self._check_aim(times, probability, seed, app_id, environment)
        fault = Fault(
            fault_id=self._next_id,
            operation=operation,
            kind=kind,
            times=times,
            probability=probability,
            seed=seed,
            app_id=app_id,
            environment=environment,
            options={**KINDS[kind], **options},
        )
        self._faults[fault.fault_id] = fault
        self._next_id += 1
        return fault

    def _check(self, operation: str, kind: str, options: dict[str, Any]) -> None:
        if checks.text(kind, "kind") not in KINDS:
            raise ValueError(f"unknown kind of fault {checks.shown(kind)}; there are: {', '.join(sorted(KINDS))}")
        if checks.text(operation, "operation") != "*" and operation not in self._operations:
            raise ValueError(f"no operation is called {checks.shown(operation)}; '*' means all of them")
        if kind in JOB_KINDS and operation != "*" and operation not in JOB_SECONDS:
            raise ValueError(f"{operation} starts no job, so {kind} cannot happen to it")
        unknown = set(options) - set(KINDS[kind])
        if unknown:
            allowed = ", ".join(sorted(KINDS[kind])) or "none"
            raise ValueError(f"{kind} has no option {', '.join(sorted(unknown))}; it takes: {allowed}")
        for option, value in options.items():
            check = _KIND_CHECKS.get((kind, option)) or _OPTION_CHECKS[option]
            check(value, option)
        if kind == "job_row":
            job_row(options.get("members", {}))

    def _check_aim(self, times: Any, probability: Any, seed: Any, app_id: Any, environment: Any) -> None:
        if times is not None:
            checks.whole(times, "times (null: for ever)", least=1)
        if checks.number(probability, "probability", least=0, most=1) == 0:
            raise ValueError("probability must be above 0")
        if seed is not None:
            checks.whole(seed, "seed", least=-(2**63), most=2**63)
        for name, value in (("app_id", app_id), ("environment", environment)):
            _optional(checks.text)(value, name)

    def remove(self, fault_id: int) -> bool:
        """Whether there was one of this id."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._faults.clear()

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def delay_for(self, operation: str, parameters: dict[str, Any]) -> Fault | None:
        return self._first(DELAY_KINDS, operation, parameters)

    def answer_for(self, operation: str, parameters: dict[str, Any]) -> Fault | None:
        return self._first(ANSWER_KINDS, operation, parameters)

    def fate_of(self, operation: str, parameters: dict[str, Any]) -> Fate:
        """What becomes of the job that is being started; scripts of different kinds add up."""
        if not self._faults:
            return Fate()
        changes: dict[str, Any] = {}
        for kind in JOB_KINDS:
            fault = self._first((kind,), operation, parameters)
            if fault is not None:
                changes.update(_fate_changes(fault))
        return Fate(**changes)

    def _first(self, kinds: Iterable[str], operation: str, parameters: dict[str, Any]) -> Fault | None:
        if not self._faults:
            return None
        for fault in self._faults.values():
            if fault.kind in kinds and fault.matches(operation, parameters) and fault.strikes():
                return fault
        return None


def job_row(given: Any) -> dict[str, str | None]:
    """Members that a job's row shows instead of its own, whatever their texts are; null leaves one out."""
    members = _object(given, "a row")
    unknown = set(members) - set(ROW_MEMBERS)
    if unknown:
        raise ValueError(
            f"a job's row has no {', '.join(sorted(unknown))}; members are: {', '.join(sorted(ROW_MEMBERS))}"
        )
    return {member: _optional(checks.text)(value, member) for member, value in members.items()}


def _fate_changes(fault: Fault) -> dict[str, Any]:
    options = fault.options
    if fault.kind == "job_row":
        return {"shown_members": dict(options["members"])}
    if fault.kind == "job_fails":
        return {"fails": True, "error": options["error"]}
    if fault.kind == "job_stuck":
        return {"ends": False, "shown_status": options["status"]}
    if fault.kind == "job_status":
        for_ever = options["seconds"] is None
        changes = {"shown_status": options["status"], "shown_seconds": options["seconds"]}
        return {**changes, "ends": False} if for_ever else changes
    lag = float(options["seconds"])
    return {"list_lag_seconds": lag, "get_lag_seconds": lag if options["get_too"] else 0.0}
