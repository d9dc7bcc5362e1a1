"""Switches: what is unknown of the real service can be played either way.

Each field's `choices` and default are the documentation's source (docs/local.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from airflow_provider_amplifybackend.local.service import checks

JOB_SECONDS: dict[str, float] = {
    "CloneBackend": 4.0,
    "CreateBackend": 4.0,
    "CreateBackendAPI": 4.0,
    "CreateBackendAuth": 4.0,
    "CreateBackendConfig": 3.0,
    "CreateBackendStorage": 3.0,
    "DeleteBackend": 4.0,
    "DeleteBackendAPI": 3.0,
    "DeleteBackendAuth": 3.0,
    "DeleteBackendStorage": 3.0,
    "GenerateBackendAPIModels": 2.0,
    "ImportBackendAuth": 3.0,
    "ImportBackendStorage": 3.0,
    "RemoveAllBackends": 5.0,
    "UpdateBackendAPI": 4.0,
    "UpdateBackendAuth": 4.0,
    "UpdateBackendStorage": 3.0,
}

_TIME_STYLES = ("epoch_seconds", "epoch_milliseconds", "iso")


def _switch(default: Any, *choices: Any) -> Any:
    return field(default=default, metadata={"choices": choices})


def _seconds(default: float) -> Any:
    return field(default=default, metadata={"seconds": True})


@dataclass
class Settings:
    """The service's behaviour where that of the real one is unknown, and the time that its jobs take."""

    job_seconds: dict[str, float] = field(default_factory=lambda: dict(JOB_SECONDS))
    clone_answer_environment: str = _switch("target", "target", "source")
    clone_job_environment: str = _switch("target", "target", "source")
    clone_holds_source: str = _switch("shared", "shared", "exclusive", "no")
    environment_appears: str = _switch("start", "start", "completion")
    failed_creation_leaves_environment: bool = _switch(True, True, False)
    gone_environment: str = _switch("NotFoundException", "NotFoundException", "ValidationException", "absent")
    deleted_environment_jobs: str = _switch("readable", "readable", "NotFoundException")
    remove_all_job_environment: str = _switch("every", "every", "first", "last")
    operation_in_answers: str = _switch("observed", "observed", "always", "never")
    update_job: str = _switch("sets_status", "sets_status", "ignored")
    protected_stack: str = _switch("fails", "fails", "deletes")
    native_client_secret: bool = _switch(False, False, True)
    auth_omits_additional_constraints: bool = _switch(False, False, True)
    ttl_format: str = _switch("epoch_seconds", *_TIME_STYLES)
    creation_date_format: str = _switch("iso", *_TIME_STYLES)
    token_seconds: float = _seconds(3600.0)
    branch_job_seconds: float = _seconds(3.0)
    tag_lag_seconds: float = _seconds(0.0)
    bucket_page_size: int = 50
    stack_page_size: int = 100

    def update(self, changes: Mapping[str, Any]) -> None:
        """Check all of the changes, then make them; ValueError says what is wrong and what is allowed."""
        checked = {name: self._checked(name, value) for name, value in changes.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def _checked(self, name: str, value: Any) -> Any:
        known = {entry.name: entry for entry in fields(self)}
        if name not in known:
            raise ValueError(f"unknown setting {checks.shown(name)}; there are: {', '.join(sorted(known))}")
        if name == "job_seconds":
            return self._merged_job_seconds(value)
        choices = known[name].metadata.get("choices")
        if choices is not None:
            # 1 equals True, but is another value in JSON.
            if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
                raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {checks.shown(value)}")
            return value
        return checks.seconds(value, name) if "seconds" in known[name].metadata else checks.whole(value, name, least=1)

    def _merged_job_seconds(self, value: Any) -> dict[str, float]:
        if isinstance(value, Mapping):
            unknown = set(value) - set(JOB_SECONDS)
            if unknown:
                raise ValueError(f"job_seconds: no job operation is called {', '.join(sorted(map(str, unknown)))}")
            changes = dict(value)
        else:
            changes = dict.fromkeys(JOB_SECONDS, value)
        checked = {name: checks.seconds(seconds, f"job_seconds of {name}") for name, seconds in changes.items()}
        return {**self.job_seconds, **checked}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
