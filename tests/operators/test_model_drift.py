"""The operators are what botocore's service model says: a newer model that says more fails here first."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator
from airflow_provider_amplifybackend.operators._paged import PagedOperator
from airflow_provider_amplifybackend.parameters import service_model
from tests.operators.requests_by_operation import operator_classes

MODEL = botocore.session.get_session().get_service_model("amplifybackend")
OPERATIONS = tuple(MODEL.operation_names)
CLASSES: dict[str, Any] = dict(operator_classes())
each_operation = pytest.mark.parametrize("operation", OPERATIONS)


def members_of(operation: str) -> dict[str, Any]:
    shape = MODEL.operation_model(operation).input_shape
    return dict(shape.members) if shape else {}


def required_of(operation: str) -> set[str]:
    shape = MODEL.operation_model(operation).input_shape
    return set(shape.required_members) if shape else set()


def outputs_of(operation: str) -> dict[str, Any]:
    shape = MODEL.operation_model(operation).output_shape
    return dict(shape.members) if shape else {}


def own_parameters(operation: str) -> dict[str, inspect.Parameter]:
    """The parameters that an operator has for its operation, without those of our own that it checks itself."""
    operator = CLASSES[f"{operation}Operator"]
    parameters = inspect.signature(operator.__init__).parameters
    return {
        name: entry
        for name, entry in parameters.items()
        if entry.kind is entry.KEYWORD_ONLY and name not in operator.readers
    }


def enumerations(shape: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every enumeration in a shape: the members on the way to it (`[]` for a list), and its values."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from enumerations(member, (*path, name))
    elif shape.type_name == "list":
        yield from enumerations(shape.member, (*path, "[]"))
    elif getattr(shape, "enum", None):
        yield path, list(shape.enum)


ENUMERATIONS = [
    (operation, path, values)
    for operation in OPERATIONS
    for path, values in enumerations(MODEL.operation_model(operation).input_shape)
]


def test_every_operation_has_its_operator_and_every_operator_an_operation() -> None:
    assert set(CLASSES) == {f"{operation}Operator" for operation in OPERATIONS}
    assert {cls.api_operation: name for name, cls in CLASSES.items()} == {
        operation: f"{operation}Operator" for operation in OPERATIONS
    }


@each_operation
def test_every_member_is_a_parameter_and_every_parameter_a_member(operation: str) -> None:
    assert set(own_parameters(operation)) == {xform_name(name) for name in members_of(operation)}


@each_operation
def test_what_the_service_requires_is_required_and_the_rest_is_optional(operation: str) -> None:
    required = {name for name, entry in own_parameters(operation).items() if entry.default is inspect.Parameter.empty}
    assert required == {xform_name(name) for name in required_of(operation)}
    defaults = {entry.default for name, entry in own_parameters(operation).items() if name not in required}
    assert defaults <= {None}


@each_operation
def test_every_parameter_has_the_type_of_its_member(operation: str) -> None:
    types = {"string": "str", "boolean": "bool", "integer": "int", "structure": "TypeDef"}
    for name, shape in members_of(operation).items():
        annotation = own_parameters(operation)[xform_name(name)].annotation
        expected = "dict[str, Any]" if shape.type_name == "structure" and not shape.members else types[shape.type_name]
        assert expected in annotation
        assert ("None" in annotation) is (name not in required_of(operation))


@each_operation
def test_every_parameter_is_templated_and_documented(operation: str) -> None:
    cls = CLASSES[f"{operation}Operator"]
    documented = dict(re.findall(r":param (\w+):((?:.|\n)*?)(?=:param|:return|\Z)", cls.__doc__ or ""))
    assert [name for name in documented if name not in cls.readers] == list(own_parameters(operation))
    for name, text in documented.items():
        assert name in cls.template_fields
        assert "(templated)" in text
    assert f"amplifybackend-2020-08-11/{operation}>`__" in (cls.__doc__ or "")


@each_operation
def test_no_member_is_shadowed_by_an_attribute_that_all_operators_have(operation: str) -> None:
    bases = [base for base in CLASSES[f"{operation}Operator"].__mro__[1:] if base is not object]
    taken = {name for base in bases for name in (*vars(base), *inspect.signature(base.__init__).parameters)}
    assert not taken & {xform_name(name) for name in members_of(operation)}


@each_operation
def test_exactly_the_operations_that_answer_with_a_new_job_are_job_operators(operation: str) -> None:
    starts_job = "JobId" in outputs_of(operation) and "JobId" not in members_of(operation)
    assert issubclass(CLASSES[f"{operation}Operator"], AmplifyBackendJobOperator) is starts_job
    assert (operation in JOB_OPERATIONS) is starts_job


@each_operation
def test_exactly_the_operations_with_pages_are_paged(operation: str) -> None:
    has_pages = "NextToken" in members_of(operation) and "NextToken" in outputs_of(operation)
    cls = CLASSES[f"{operation}Operator"]
    assert issubclass(cls, PagedOperator) is has_pages
    if has_pages:
        lists = [name for name, shape in outputs_of(operation).items() if shape.type_name == "list"]
        assert [cls.items_member] == lists


def test_every_paginator_of_the_model_belongs_to_a_paged_operator() -> None:
    paginators = botocore.session.get_session().get_paginator_model("amplifybackend")
    for operation, paginator in vars(paginators)["_paginator_config"].items():
        assert CLASSES[f"{operation}Operator"].items_member == paginator["result_key"]
        assert (paginator["input_token"], paginator["output_token"]) == ("NextToken", "NextToken")
        assert paginator.get("limit_key", "MaxResults") == "MaxResults"
        assert "max_results" in own_parameters(operation)


@pytest.mark.parametrize(("operation", "path", "values"), [entry for entry in ENUMERATIONS if len(entry[1]) == 1])
def test_the_values_of_a_parameter_that_is_an_enumeration_are_documented(
    operation: str, path: tuple[str, ...], values: list[str]
) -> None:
    text = CLASSES[f"{operation}Operator"].__doc__ or ""
    described = text.split(f":param {xform_name(path[0])}:")[1].split(":param")[0]
    for value in values:
        assert f"``{value}``" in described


@pytest.mark.parametrize(
    ("operation", "path", "values"), ENUMERATIONS, ids=[f"{entry[0]}.{'.'.join(entry[1])}" for entry in ENUMERATIONS]
)
def test_every_enumeration_is_checked_and_its_values_are_told(
    operation: str, path: tuple[str, ...], values: list[str]
) -> None:
    wrong: Any = "NO-SUCH-VALUE"
    shown = xform_name(path[0])
    for name in path[1:]:
        shown += "[0]" if name == "[]" else f".{name}"
    for name in reversed(path[1:]):
        wrong = [wrong] if name == "[]" else {name: wrong}
    with pytest.raises(service_model.ParameterError) as error:
        service_model.build_request(operation, {xform_name(path[0]): wrong})
    assert f"{shown}='NO-SUCH-VALUE' is not accepted; accepted values: {', '.join(values)}" in error.value.problems


def test_the_model_has_the_31_operations_that_the_documentation_counts() -> None:
    assert len(OPERATIONS) == 31
    assert len(JOB_OPERATIONS) == 17
