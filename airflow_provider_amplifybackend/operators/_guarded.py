"""The base of the operators that delete or change something: what a user asks of the guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import current_run
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.guard.conditions import ConditionError, Conditions, conditions_of
from airflow_provider_amplifybackend.guard.lease import Holder
from airflow_provider_amplifybackend.guard.settings import ModeError, configured_mode
from airflow_provider_amplifybackend.guard.verdict import Mode
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.parameters.reading import refuse_missing, shown

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook


def as_mode(name: str, value: Any) -> Mode | None:
    """Return an operator's mode of the guard, which cannot be laxer than the deployment's.

    :raises BackendParameterError: It is none, or laxer.
    """
    refuse_missing(name, value)
    if value is None:
        return None
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in list(Mode):
        raise BackendParameterError(f"{name}={shown(value)} is not one of: {', '.join(Mode)}")
    try:
        configured = configured_mode()
    except ModeError:  # which the guard itself reports
        return Mode(text)
    if configured.is_stricter_than(Mode(text)):
        raise BackendParameterError(
            f"{name}={shown(value)} is laxer than [amplifybackend] guard={configured}: an operator can only be stricter"
        )
    return Mode(text)


def as_conditions(name: str, value: Any) -> Conditions:
    """Return the conditions of an operator.

    :raises BackendParameterError: One is unknown, or cannot be used.
    """
    refuse_missing(name, value)
    try:
        return conditions_of(value)
    except ConditionError as error:
        raise BackendParameterError(f"{name} {error}") from None


class GuardedOperator(AmplifyBackendOperator):
    """Delete or change something, if the guard permits it.

    :param guard: ``"require"`` to refuse also where a sign of a Gen 2 migration cannot be read. Default:
        ``[amplifybackend] guard``; an operator can only be stricter. (templated)
    :param only_if: Conditions that must all hold just before the request: ``name`` (a pattern with ``*`` and ``?``),
        ``older_than`` (``"6h"``: a number with s, m, h, d or w; or a timedelta), ``no_pending_job`` (True),
        ``empty`` (True: the environment has no resources) and ``created_by_this_run`` (True: it was created under a
        lease of this DAG run). (templated)

    :raises BackendGuardError: The guard refused; ``reason`` says which rule. Nothing was sent.
    """

    careful = AmplifyBackendOperator.careful | {"guard", "only_if"}
    template_fields: Sequence[str] = (*AmplifyBackendOperator.template_fields, "guard", "only_if")
    readers = AmplifyBackendOperator.readers | {"guard": as_mode, "only_if": as_conditions}

    def __init__(self, *, guard: str | None = None, only_if: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.guard = guard
        self.only_if = only_if

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be sent or used."""
        found = super().problems(values, templates=templates)
        known = OPERATIONS[cls.api_operation]
        if values.get("only_if") and known.environment is None and known.resource != "app":
            found.append(f"only_if is about environments, and {known.name} acts on none")
        conditions = values.get("only_if")
        if isinstance(conditions, Mapping) and "no_pending_job" in conditions and not known.starts_job:
            found.append(f"only_if: no_pending_job is about the start of a job, and {known.name} starts none")
        return found

    @cached_property
    def hook(self) -> AmplifyBackendHook:
        """The hook, with what this operator asks of its guard."""
        hook = super().hook
        hook.guard.mode = self.read("guard")
        conditions = self.read("only_if")
        if conditions.created_by_this_run:
            run = current_run()
            conditions = replace(conditions, run=Holder(*run).run if run else None)
        hook.guard.conditions = conditions
        return hook
