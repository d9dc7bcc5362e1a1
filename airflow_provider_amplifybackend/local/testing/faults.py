"""Fault scripts: each with the operation that it is for, how often it strikes, and which strikes first."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import (
    SERVICE_NAME,
    SERVICES,
    named_app,
    named_environments,
    service_of,
)
from airflow_provider_amplifybackend.local.service.job_book import Fate
from airflow_provider_amplifybackend.local.service.settings import JOB_SECONDS
from airflow_provider_amplifybackend.local.testing.fault_kinds import (
    ANSWER_KINDS,
    BEFORE_EFFECT,
    DELAY_KINDS,
    JOB_KINDS,
    KINDS,
    check_options,
)

_DELETIONS = ("DeleteBackend", "RemoveAllBackends")
# AWS Amplify's, of which an end and none can be scripted.
_BRANCH_JOBS = ("StartJob",)


@dataclass
class Fault:
    """One script: the requests that it strikes, and what happens to them."""

    fault_id: int
    service: str
    """The service that `*` means all operations of; `*` for every service."""
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

    def matches(self, operation: str, parameters: Mapping[str, Any]) -> bool:
        if self.operation not in ("*", operation) or self.service not in ("*", service_of(operation)):
            return False
        if self.times is not None and self.used >= self.times:
            return False
        if self.app_id is not None and named_app(parameters) != self.app_id:
            return False
        return self.environment is None or self.environment in named_environments(parameters)

    def strikes(self) -> bool:
        if self.probability < 1 and self.random.random() >= self.probability:
            return False
        self.used += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        return {
            "fault_id": self.fault_id,
            "service": self.service,
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

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._next_id = 1

    def add(
        self,
        *,
        service: str | None = None,
        operation: str = "*",
        kind: str,
        times: int | None = None,
        probability: float = 1.0,
        seed: int | None = None,
        app_id: str | None = None,
        environment: str | None = None,
        **options: Any,
    ) -> Fault:
        service = self._service(service, operation)
        self._check(service, operation, kind, options)
        self._check_aim(times, probability, seed, app_id, environment)
        fault = Fault(
            fault_id=self._next_id,
            service=service,
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

    def _service(self, service: str | None, operation: str) -> str:
        """Return the service that a script is for: its operation's, or the one that is named; else AmplifyBackend."""
        if service is not None and checks.text(service, "service") not in ("*", *SERVICES):
            raise ValueError(f"no service is called {checks.shown(service)}; there are: {', '.join(SERVICES)}, '*'")
        if checks.text(operation, "operation") == "*":
            return service or SERVICE_NAME
        own = service_of(operation)
        if own is None or service not in (None, "*", own):
            where = f"{service} operation" if service in SERVICES else "operation"
            raise ValueError(f"no {where} is called {checks.shown(operation)}; '*' means all of them")
        return own

    def _check(self, service: str, operation: str, kind: str, options: dict[str, Any]) -> None:
        if checks.text(kind, "kind") not in KINDS:
            raise ValueError(f"unknown kind of fault {checks.shown(kind)}; there are: {', '.join(sorted(KINDS))}")
        if kind == "pending" and service not in ("*", SERVICE_NAME):
            raise ValueError(f"{service} knows no pending job of an environment")
        if kind in JOB_KINDS and operation != "*" and operation not in _affected(kind):
            raise ValueError(f"{operation} starts no job, so {kind} cannot happen to it")
        check_options(kind, options)

    def _check_aim(self, times: Any, probability: Any, seed: Any, app_id: Any, environment: Any) -> None:
        if times is not None:
            checks.whole(times, "times (null: for ever)", least=1)
        if checks.number(probability, "probability", least=0, most=1) == 0:
            raise ValueError("probability must be above 0")
        if seed is not None:
            checks.whole(seed, "seed", least=-(2**63), most=2**63)
        for name, value in (("app_id", app_id), ("environment", environment)):
            if value is not None:
                checks.text(value, name)

    def remove(self, fault_id: int) -> bool:
        """Remove a script; return false where there is none of this id."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._faults.clear()

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def delay_for(self, operation: str, parameters: Mapping[str, Any]) -> Fault | None:
        return self._first(DELAY_KINDS, operation, parameters)

    def answer_for(self, operation: str, parameters: Mapping[str, Any]) -> Fault | None:
        return self._first(ANSWER_KINDS, operation, parameters)

    def fate_of(self, operation: str, parameters: Mapping[str, Any]) -> Fate:
        """Return the fate of a job that is being started; scripts of different kinds add up."""
        if not self._faults:
            return Fate()
        changes: dict[str, Any] = {}
        for kind in JOB_KINDS:
            fault = self._first((kind,), operation, parameters) if operation in _affected(kind) else None
            if fault is not None:
                changes.update(_fate_changes(fault))
        return Fate(**changes)

    def _first(self, kinds: Iterable[str], operation: str, parameters: Mapping[str, Any]) -> Fault | None:
        if not self._faults:
            return None
        for fault in self._faults.values():
            if fault.kind in kinds and fault.matches(operation, parameters) and fault.strikes():
                return fault
        return None


def _affected(kind: str) -> Collection[str]:
    """Return the operations whose jobs a kind of fault can happen to."""
    if kind == "leftovers":
        return _DELETIONS
    return (*JOB_SECONDS, *_BRANCH_JOBS) if kind in ("job_fails", "job_stuck") else JOB_SECONDS


def _fate_changes(fault: Fault) -> dict[str, Any]:
    options = fault.options
    if fault.kind == "job_row":
        return {"shown_members": dict(options["members"])}
    if fault.kind == "leftovers":
        return {"leaves": frozenset(options["what"])}
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
