"""What holds for every operator and sensor: found by walking the package, so that no new one can stand apart."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from datetime import datetime
from typing import Any

import pytest

import airflow_provider_amplifybackend.operators
import airflow_provider_amplifybackend.sensors
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters
from tests.airflow_versions import dag_serialization


def classes(package: Any, base: type) -> list[type[Any]]:
    """The classes that users write into DAGs: those with an operation, or a public sensor."""
    found: dict[str, type[Any]] = {}
    for module_info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__:
                found[name] = value
    return [value for _, value in sorted(found.items())]


BASES = [
    value
    for value in classes(airflow_provider_amplifybackend.operators, AmplifyBackendOperator)
    if "api_operation" not in vars(value)
]
OPERATORS = [
    value
    for value in classes(airflow_provider_amplifybackend.operators, AmplifyBackendOperator)
    if "api_operation" in vars(value)
]
SENSORS = [
    value for value in classes(airflow_provider_amplifybackend.sensors, AwsParameters) if "._" not in value.__module__
]
EVERY_OPERATOR = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
EVERY_CLASS = pytest.mark.parametrize("cls", [*OPERATORS, *SENSORS], ids=lambda cls: cls.__name__)

# What Airflow itself reads at parse time or by itself, so that a template would come too late.
AIRFLOWS_OWN = {"poke_interval", "timeout"}


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The parameters of a class that are this package's, its bases' too."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if base.__module__.startswith("airflow_provider_amplifybackend") and "__init__" in vars(base):
            signature = inspect.signature(inspect.unwrap(vars(base)["__init__"]))
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.KEYWORD_ONLY:
                    found.setdefault(name, parameter)
    return found


def test_there_is_an_operator_for_every_operation() -> None:
    assert sorted(operator.api_operation for operator in OPERATORS) == sorted(service_model.operation_names())


@EVERY_OPERATOR
def test_it_is_named_after_its_operation(operator: type[AmplifyBackendOperator]) -> None:
    assert operator.__name__ == f"{operator.api_operation}Operator"


@EVERY_OPERATOR
def test_the_members_of_the_api_are_its_parameters(operator: type[AmplifyBackendOperator]) -> None:
    members = set(service_model.members(operator.api_operation))
    # Pages are this package's business.
    missing = members - set(parameters(operator))
    assert missing <= {"next_token", "max_results"}
    own = inspect.signature(inspect.unwrap(operator.__init__)).parameters
    required = service_model.input_shape(operator.api_operation).required_members
    names = service_model.members(operator.api_operation)
    for name, parameter in own.items():
        if name in names and names[name] not in required:
            assert parameter.default is None, f"{name} is optional in the API"


@EVERY_CLASS
def test_every_parameter_is_a_template_field(cls: type[Any]) -> None:
    assert set(parameters(cls)) - AIRFLOWS_OWN == set(cls.template_fields)
    assert len(cls.template_fields) == len(set(cls.template_fields))


@EVERY_CLASS
def test_every_parameter_can_be_given_by_name_only(cls: type[Any]) -> None:
    signature = inspect.signature(inspect.unwrap(cls.__init__))
    assert {parameter.kind for name, parameter in signature.parameters.items() if name != "self"} <= {
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    }


@EVERY_CLASS
def test_its_docstring_names_every_parameter_and_links_the_api(cls: type[Any]) -> None:
    own = inspect.getdoc(cls) or ""
    inherited = "\n".join(inspect.getdoc(base) or "" for base in cls.__mro__[1:] if base.__module__ != "builtins")
    names = inspect.signature(inspect.unwrap(cls.__init__)).parameters
    for name in [name for name, parameter in names.items() if parameter.kind is parameter.KEYWORD_ONLY]:
        assert f":param {name}:" in own, f"{name} is not in the docstring"
    for name in parameters(cls):
        assert f":param {name}:" in own + inherited, f"{name} is in no docstring"
    described = [line.split(":")[1].removeprefix("param ") for line in own.splitlines() if line.startswith(":param")]
    accepted = set(parameters(cls)) | AIRFLOWS_OWN
    assert set(described) <= accepted, "the docstring describes what does not exist"
    assert "https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/" in own


@EVERY_OPERATOR
def test_its_docstring_links_its_own_operation(operator: type[AmplifyBackendOperator]) -> None:
    link = f"https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/{operator.api_operation}>"
    assert link in (inspect.getdoc(operator) or "")


@EVERY_CLASS
def test_init_only_assigns(cls: type[Any]) -> None:
    """Values may be templates or XComArgs, and of a mapped task there is no instance when it is parsed."""
    for base in cls.__mro__:
        if not base.__module__.startswith("airflow_provider_amplifybackend") or "__init__" not in vars(base):
            continue
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(vars(base)["__init__"])))
        (function,) = ast.parse(source).body
        assert isinstance(function, ast.FunctionDef)
        first, *rest = function.body
        if ast.unparse(first).startswith("check_written("):  # values that Airflow's own `__init__` fails on
            first, *rest = rest
        assert ast.unparse(first) == "super().__init__(**kwargs)"
        given = {argument.arg for argument in function.args.kwonlyargs}
        for statement in rest:
            assert isinstance(statement, ast.Assign | ast.AnnAssign), ast.unparse(statement)
            assert isinstance(statement.value, ast.Name | ast.Constant), ast.unparse(statement)
            if isinstance(statement.value, ast.Name) and not statement.value.id.isupper():
                assert statement.value.id in given
                assert ast.unparse(statement).startswith(f"self.{statement.value.id} = ")


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_no_attribute_of_a_base_hides_a_member_of_the_api(base: type) -> None:
    members = {name for operation in service_model.operation_names() for name in service_model.members(operation)}
    # A parameter that a base has for the API's member of that name is what it says.
    own = set(parameters(base)) & members
    hidden = {name for name in dir(base) if name in members} - own
    assert hidden == set()


@EVERY_OPERATOR
def test_operations_that_start_a_job_are_job_operators(operator: type[AmplifyBackendOperator]) -> None:
    assert issubclass(operator, AmplifyBackendJobOperator) == (operator.api_operation in JOB_OPERATIONS)


@EVERY_OPERATOR
def test_creations_and_removals_have_their_policies(operator: type[AmplifyBackendOperator]) -> None:
    job = JOB_OPERATIONS.get(operator.api_operation)
    removes = job is not None and job.effect is Effect.REMOVES
    assert ("if_missing" in operator.template_fields) == (removes or operator.api_operation == "GetBackend")
    if "if_exists" in operator.template_fields:
        assert job is not None
        assert job.effect is Effect.CREATES


@EVERY_CLASS
def test_it_can_be_mapped_over_every_parameter(cls: type[Any]) -> None:
    for name in parameters(cls):
        cls.partial(task_id="task").expand(**{name: ["x"]})


@EVERY_CLASS
def test_it_survives_the_serialization_of_a_dag(cls: type[Any]) -> None:
    from airflow import DAG

    values = {name: f"{{{{ params.{name} }}}}" for name in parameters(cls)}
    with DAG("serialized", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        cls(task_id="task", **values)
    stored = dag_serialization().to_dict(dag)
    copy = dag_serialization().from_dict(stored).get_task("task")
    assert {name: getattr(copy, name) for name in values} == values
