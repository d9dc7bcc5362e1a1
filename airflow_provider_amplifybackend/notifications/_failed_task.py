"""The parameters of the task that a callback is about, as far as they are known where the callback runs.

On a worker that is a rendered copy of the task. Where the worker has died it is the DAG processor, which has the task
as the DAG file has it: with templates, with the output of other tasks, and if it is mapped, with what is the same for
all of its instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.reading import EMPTY_RENDERINGS, as_verify, holds_template, is_template


class FailedTask:
    """A task, as a callback's context has it."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = context
        self._task: Any = context.get("task")
        partial = getattr(self._task, "partial_kwargs", None)
        self._partial = partial if isinstance(partial, Mapping) else None
        self._class: Any = type(self._task) if self._partial is None else getattr(self._task, "operator_class", None)

    @property
    def operation(self) -> str | None:
        """Return the operation that the task is named after."""
        operation: str | None = getattr(self._task, "api_operation", None) or getattr(
            self._class, "api_operation", None
        )
        return operation

    def name(self, parameter: str) -> str | None:
        """Return a name that the task was given; None where it is not known. It is never a template."""
        if self._partial is None:
            value = getattr(self._task, parameter, None)
        else:
            value = self._partial.get(parameter)
        return as_name(self._rendered(parameter, value))

    def aws_parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the four parameters with which the task is to be asked about, those that are given before its own.

        :raises BackendParameterError: One is not known. Another connection than the task's may be another account.
        """
        if not hasattr(self._class, "aws_parameters"):
            return {"aws_conn_id": "aws_default", **given}
        if not self._is_written:
            return {**self._task.aws_parameters, **given}
        from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

        return {
            name: given[name] if name in given else self._aws_parameter(name) for name in AwsParameters.template_fields
        }

    def _aws_parameter(self, name: str) -> Any:
        value = self._written(name)
        if isinstance(value, str):
            value = self._rendered(name, value)
        if holds_template(value):
            raise BackendParameterError(f"{name} is not known outside of the task")
        return self._class.readers[name](name, value) if name in self._class.readers else as_verify(value)

    def _written(self, name: str) -> Any:
        """Return a parameter as it stands in the DAG file."""
        if self._partial is None:
            return getattr(self._task, name)
        if name in self._partial:
            return self._partial[name]
        expanded = getattr(getattr(self._task, "expand_input", None), "value", None)
        if not isinstance(expanded, Mapping) or name in expanded:
            raise BackendParameterError(f"{name} is not known outside of the task, which is mapped over it")
        return "aws_default" if name == "aws_conn_id" else None

    @property
    def _is_written(self) -> bool:
        """Tell whether the task is the one of the DAG file itself, of which Airflow renders and runs a copy."""
        dag, task_id = self._context.get("dag"), getattr(self._task, "task_id", None)
        is_own = dag is not None and dag.has_task(task_id) and dag.get_task(task_id) is self._task
        return self._partial is not None or is_own

    def _rendered(self, name: str, value: Any) -> Any:
        """Return a text as the task would have been given it, or as it is where that cannot be known.

        Only what stands in the DAG file is rendered. What was rendered may be a text of whoever has triggered the run.
        """
        if not self._is_written or not isinstance(value, str) or not is_template(value):
            return value
        from jinja2 import StrictUndefined

        from airflow_provider_amplifybackend.parameters.rendering import Renderer, is_native

        context: Any = self._context
        try:
            # Strict: what only the worker knew is nothing here, and the rest of the name would be another name.
            environment = self._task.get_template_env().overlay(undefined=StrictUndefined)
            renderer = Renderer(environment, context, resolve=lambda later: later, native=is_native(environment))
            return renderer.parameter(name, value)
        except Exception:  # noqa: BLE001  # a template may do anything, and is no reason to tell nobody
            return value


def as_name(value: Any) -> str | None:
    """Return a text that may be told as a name; None for a template, the output of a task, and nothing."""
    if not isinstance(value, str) or value.strip() in EMPTY_RENDERINGS:
        return None
    return None if any(mark in value for mark in names.TEMPLATE_MARKS) else value
