"""Checking parameters where the DAG is written: Airflow itself fails on some of them and does not name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import operator_partial
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.reading import flaws
from airflow_provider_amplifybackend.tasks.literal_secrets import warn_of_literal_secret


class CheckedMapping:
    """A task whose parameters are checked where the DAG is written, also those that a mapped task is expanded over."""

    template_fields: Any

    @classmethod
    def written_problems(cls, name: str, value: Any) -> Iterable[str]:
        """Return a sentence for each part of a parameter that Airflow could not even put into the DAG."""
        return flaws(name, value) if name in cls.template_fields else ()

    if not TYPE_CHECKING:  # as Airflow declares it, so that type checkers see its parameters

        @classmethod
        def partial(cls, **kwargs: Any) -> Any:
            """Fix some parameters of a mapped task."""
            partial = super().partial(**kwargs)
            partial._expand_called = True  # or Airflow warns that it was never mapped: another takes its place
            check_written(cls, partial.kwargs["task_id"], partial.kwargs)
            checked = _checked_partial()(
                operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params
            )
            checked.warn_of_literal_secret(partial.kwargs)
            return checked


def check_written(task_class: type[CheckedMapping], task_id: Any, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that nothing can send, store or show.

    :raises BackendParameterError: names the task and the parameter.
    """
    for name, value in parameters.items():
        for problem in task_class.written_problems(name, value):
            raise BackendParameterError(f"{task_id}: {problem}")


def is_given_upstream(task: Any, name: str, context: Mapping[str, Any]) -> bool:
    """Tell whether a mapped task has a parameter from another task rather than from the DAG's author."""
    mapped: Any = getattr(task.get_dag(), "task_dict", {}).get(task.task_id)
    given = getattr(getattr(mapped, "expand_input", None), "value", None)
    if isinstance(given, Mapping):  # of expand
        return name in given and not isinstance(given[name], Mapping | list | tuple)
    if mapped is None or given is None:
        return False
    if isinstance(given, list | tuple):  # of expand_kwargs
        given = given[context["ti"].map_index]
    was_given = name in task._BaseOperator__init_kwargs and name not in mapped.partial_kwargs
    return was_given and hasattr(given, "resolve")


@lru_cache(maxsize=1)
def _checked_partial() -> Any:
    base: Any = operator_partial()

    class CheckedPartial(base):  # type: ignore[misc]
        """The result of `partial(...)`: it reads the values before Airflow looks for references in them."""

        def expand(self, **mapped_kwargs: Any) -> Any:
            for name, values in mapped_kwargs.items():
                for value in _each(values):
                    self._check({name: value})
            return super().expand(**mapped_kwargs)

        def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:
            for parameters in kwargs if isinstance(kwargs, list | tuple) else ():
                if isinstance(parameters, Mapping):
                    self._check(parameters)
            return super().expand_kwargs(kwargs, **options)

        def _check(self, parameters: Mapping[str, Any]) -> None:
            self._expand_called = True
            check_written(self.operator_class, self.kwargs["task_id"], parameters)
            self.warn_of_literal_secret(parameters)

        def warn_of_literal_secret(self, parameters: Mapping[str, Any]) -> None:
            """Warn of a secret in clear, once for the whole task."""
            if not getattr(self, "_has_literal_secret", False):
                given = {
                    name: value for name, value in parameters.items() if name in self.operator_class.template_fields
                }
                dag_id = getattr(self.kwargs.get("dag"), "dag_id", None)
                self._has_literal_secret = warn_of_literal_secret(given, task_id=self.kwargs["task_id"], dag_id=dag_id)

    return CheckedPartial


def _each(values: Any) -> Iterable[Any]:
    """Return what a mapped task is expanded over, one by one."""
    if isinstance(values, Mapping):
        return values.values()
    return values if isinstance(values, list | tuple) else [values]
