"""Checking a DAG before it runs, for use in a user's own tests."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators._approval import task_id_of
from airflow_provider_amplifybackend.operators._deleting import DeletingOperator
from airflow_provider_amplifybackend.operators._job_base import RemovingOperator
from airflow_provider_amplifybackend.parameters.reading import flaws, is_template, shown
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters
from airflow_provider_amplifybackend.tasks.literal_secrets import literal_problems

if TYPE_CHECKING:
    from airflow.sdk import DAG


def validate_dag(dag: DAG) -> None:
    """
    Check the parameters of every operator and sensor of this package in a DAG, as ``execute`` will do.

    Also find deletions that somebody's "Reject" would not keep from running: teardowns behind an ``ApprovalOperator``.

    Values that are yet to be rendered (Jinja, XComArgs) are left out. Files are read; of a mapped task every value it
    is expanded over is checked. A secret in clear is a problem, too, in the DAG file as in a file beside it.

    :param dag: The DAG, e.g. ``DagBag("dags").dags["nightly"]``.
    :raises BackendParameterError: names the task, the parameter, its value and what is accepted, for every problem.
    """
    found = [
        f"{task.task_id}: {problem}"
        for task in dag.tasks
        for problem in (*_problems(task), *_problems_of_approval(dag, task))
    ]
    if found:
        raise BackendParameterError(f"DAG {dag.dag_id}: " + "; ".join(found))


def _problems(task: Any) -> Iterator[str]:
    if isinstance(task, AwsParameters):
        yield from _own_problems(task, type(task), task.parameter_values())
        return
    operator_class = getattr(task, "operator_class", None)
    if inspect.isclass(operator_class) and issubclass(operator_class, AwsParameters):
        # The same problem of a constant parameter would be found once for each value.
        yield from dict.fromkeys(
            problem
            for values in _mapped_values(task)
            for problem in _own_problems(task, operator_class, _defaults(operator_class) | values)
        )


def _problems_of_approval(dag: DAG, task: Any) -> Iterator[str]:
    """Yield what keeps an approval in front of a deletion from deciding about it."""
    operator_class = _class_of(task)
    if not issubclass(operator_class, RemovingOperator):
        return
    upstream = {other.task_id: other for other in task.get_flat_relatives(upstream=True)}
    checks_itself = issubclass(operator_class, DeletingOperator)
    approval = task_id_of(_parameter(task, "approval")) if checks_itself else None
    if isinstance(approval, str) and not is_template(approval) and approval not in upstream:
        place = "is not upstream of this task" if approval in dag.task_dict else "is no task of this DAG"
        yield f"approval={shown(approval)} {place}, so that nothing would be deleted"
    approvals = sorted(name for name, other in upstream.items() if _is_approval(_class_of(other)))
    if task.is_teardown and approvals and approval is None:
        names = ", ".join(map(repr, approvals))
        itself = f"set plan and approval={approvals[0]!r}, or " if checks_itself else ""
        yield (
            f"is a teardown downstream of the approval {names}: Airflow's Reject does not skip teardowns, so that it "
            f"would run all the same. To prevent that, {itself}make it an ordinary task"
        )


def _class_of(task: Any) -> type:
    operator_class = getattr(task, "operator_class", None)
    return operator_class if inspect.isclass(operator_class) else type(task)


def _parameter(task: Any, name: str) -> Any:
    """Return a parameter as the DAG's author has written it, of a mapped task only if it is the same for all."""
    partial = getattr(task, "partial_kwargs", None)
    if not isinstance(partial, Mapping):
        return getattr(task, name, None)
    expanded = getattr(task.expand_input, "value", None)
    # One for each: a value that only the task itself will know.
    return _Unknown() if isinstance(expanded, Mapping) and name in expanded else partial.get(name)


def _is_approval(operator_class: type) -> bool:
    """Tell whether tasks of a class ask for approval, without importing what only Airflow 3.1 and newer have."""
    return any(
        each.__name__ == "ApprovalOperator" and each.__module__ == "airflow.providers.standard.operators.hitl"
        for each in operator_class.__mro__
    )


def _own_problems(task: Any, operator_class: type[AwsParameters], values: Mapping[str, Any]) -> list[str]:
    if found := [flaw for name, value in values.items() for flaw in flaws(name, value)]:
        return found  # whatever else looks at such values would fail on them
    try:
        read = _with_files(task, operator_class, values)
    except BackendParameterError as error:
        return [str(error)]
    given = {name: value for name, value in read.items() if name in operator_class.template_fields}
    return operator_class.problems(read, templates=True) + literal_problems(given)


def _with_files(task: Any, operator_class: type[AwsParameters], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with the content of the files that configurations are."""
    from airflow_provider_amplifybackend.parameters.rendering import unrendered

    configurations = {name: values[name] for name in operator_class.configurations() if name in values}
    environment = task.get_template_env() if any(configurations.values()) else None
    return dict(values) | {name: unrendered(environment, name, value) for name, value in configurations.items()}


def _defaults(operator_class: type) -> dict[str, Any]:
    """Return the defaults of every parameter, which a mapped task has not been given yet."""
    parameters = [
        parameter
        for parent in reversed(operator_class.__mro__)
        if "__init__" in vars(parent)
        for parameter in inspect.signature(parent.__init__).parameters.values()  # type: ignore[misc]
    ]
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}


def _mapped_values(task: Any) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each task that a mapped one will become, as far as they are known now."""
    partial = dict(task.partial_kwargs)
    expanded = getattr(task.expand_input, "value", None)
    if isinstance(expanded, Mapping):
        for name, values in expanded.items():
            others = {other: _Unknown() for other in expanded if other != name}
            for value in _members(values):
                yield partial | others | {name: value}
    else:
        # Whatever an upstream task returns may name any parameter.
        open_ones = {name: _Unknown() for name in task.operator_class.template_fields if name not in partial}
        for values in _members(expanded):
            yield partial | (dict(values) if isinstance(values, Mapping) else open_ones)


def _members(values: Any) -> Iterator[Any]:
    if isinstance(values, Mapping):
        yield from ({"key": key, "value": value} for key, value in values.items())
    elif isinstance(values, list | tuple | set):
        yield from values
    else:
        yield _Unknown()


class _Unknown:
    """A value that is only known when the task runs."""

    def resolve(self) -> None:
        """Look like what Airflow resolves later."""
