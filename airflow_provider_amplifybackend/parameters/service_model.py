"""The operations in botocore's service model: their members, and the values that these take.

Templates render strings, so values are coerced by the shapes of the model: "False", "8" or JSON text become what
the API wants, whether or not the DAG renders native objects. What cannot be coerced is reported with the path of
the operator's parameter, the value and what is accepted, before anything is sent. botocore's own validator would
check shapes and lengths, but neither enumerations nor path parameters that are empty.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.secrets import REDACTED, is_secret_name, redact_words
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.json_texts import CONFIGURATION_ADVICE, read_json
from airflow_provider_amplifybackend.parameters.lookalikes import (
    cut,
    in_another_spelling,
    listed,
    lookalike,
    lookalike_list,
)
from airflow_provider_amplifybackend.parameters.reading import (
    EMPTY_RENDERINGS,
    as_text,
    decimal_text,
    flaws,
    is_template,
    problems_of,
    refuse_missing,
    shown,
)
from airflow_provider_amplifybackend.parameters.secret_members import member_of, secret_problem

if TYPE_CHECKING:
    from botocore.model import ListShape, ServiceModel, Shape, StructureShape

SERVICE = "amplifybackend"
API_VERSION = "2020-08-11"
CONFIGURATION_FILE = ".json"
SCHEMA_FILE = ".graphql"
_NOT_READ = object()  # stands for a document whose problem has been reported


class ParameterError(ValueError):
    """One or more parameters cannot be sent. ``problems`` has a sentence for each."""

    def __init__(self, operation: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{operation} was not sent: " + "; ".join(problems))


@lru_cache(maxsize=1)
def service_model() -> ServiceModel:
    """Return botocore's model of the service. A session for it would look through all of botocore's data first."""
    from botocore.loaders import create_loader
    from botocore.model import ServiceModel

    data = create_loader(os.environ.get("AWS_DATA_PATH")).load_data(f"{SERVICE}/{API_VERSION}/service-2")
    return ServiceModel(data, service_name=SERVICE)


@lru_cache(maxsize=64)
def members(operation: str) -> dict[str, str]:
    """Return the API members of an operation's request, keyed by the operator's parameter."""
    from botocore import xform_name

    return {xform_name(name): name for name in input_shape(operation).members}


def input_shape(operation: str) -> StructureShape:
    """Return botocore's model of an operation's request."""
    shape = service_model().operation_model(operation).input_shape
    if shape is None:
        raise LookupError(f"{operation} takes no request")
    return shape


def build_request(operation: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request for an operation from an operator's parameters; those that are None are left out.

    So are filters and settings that a template has left empty, but not names and ids.

    :raises ParameterError: names every parameter that cannot be sent.
    """
    request, found = _read(operation, values, templates=False)
    if problems := found or _botocore_problems(request, input_shape(operation)):
        raise ParameterError(operation, problems)
    return request


def problems(operation: str, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
    """Return a sentence for each parameter that cannot be sent; templates can be left out of it."""
    return list(_read(operation, values, templates=templates)[1])


class _Problems(list[str]):
    """The problems found so far, and whether a template is one."""

    def __init__(self, *, templates: bool) -> None:
        super().__init__()
        self.templates = templates


def _read(operation: str, values: Mapping[str, Any], *, templates: bool) -> tuple[dict[str, Any], _Problems]:
    shape = input_shape(operation)
    found = _Problems(templates=templates)
    request: dict[str, Any] = {}
    for parameter, name in members(operation).items():
        value = values.get(parameter)
        if _is_unset(value):
            if name in shape.required_members:
                found.append(f"{parameter}={shown(value)} is missing a value: it is required")
            elif value is not None and names.selects(parameter):
                # Left out, it would turn the question about one thing into that about all of them.
                found += problems_of(_refuse_missing, parameter, value)
            continue
        member = shape.members[name]
        request[name] = _coerce(value, member, parameter, found)
        if names.is_name_member(name, member.serialization.get("location")):
            _check_name(request[name], parameter, found)
    return request, found


_refuse_missing = partial(refuse_missing, instead="; to leave it out, pass None")


def _check_name(value: Any, parameter: str, found: _Problems) -> None:
    """Take note of what is no name; what is no text has been found by now."""
    if isinstance(value, str) and not (found.templates and is_template(value)):
        found.extend(filter(None, [names.problem(parameter, value)]))


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in EMPTY_RENDERINGS)


def _botocore_problems(request: Mapping[str, Any], shape: Shape) -> list[str]:
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(request, shape)
    # The report quotes values. What reaches it has passed the checks below, unless a newer model has other shapes.
    return [*map(redact_words, report.generate_report().splitlines())] if report.has_errors() else []


def _coerce(value: Any, shape: Shape, path: str, problems: _Problems) -> Any:
    if problems.templates and (is_template(value) or _is_file_of(shape, value)):
        return value
    coerce = _COERCIONS.get(shape.type_name)
    return coerce(value, shape, path, problems) if coerce else value


def _is_file_of(shape: Shape, value: Any) -> bool:
    return shape.type_name == "structure" and isinstance(value, str) and value.endswith(CONFIGURATION_FILE)


def _coerce_structure(value: Any, shape: StructureShape, path: str, problems: _Problems) -> Any:
    value = _parse_document(value, path, problems)
    if not isinstance(value, Mapping):
        if value is not _NOT_READ:
            kind = f"{path} must be a dictionary (or a JSON object as text), not {_kind(value)}"
            problems.append(lookalike_list(path, value, tuple(shape.members)) or kind)
        return value
    unknown = [str(name) for name in value if name not in shape.members]
    if unknown and (sentence := lookalike(path, value, tuple(shape.members))):
        problems.append(sentence)
        return value
    respelled = in_another_spelling(unknown, tuple(shape.members))
    if respelled:
        problems.append(
            f"{path} has members in another spelling ({listed(respelled)}): "
            f"write {listed(respelled.values())}, as boto3 does"
        )
    if others := [name for name in unknown if name not in respelled]:
        problems.append(_unknown_members(others, shape, path))
    for name in shape.required_members:
        if value.get(name) is None and name not in respelled.values():
            problems.append(f"{path}.{name} is missing: it is required")
    return {
        name: _coerce(member, shape.members[name], f"{path}.{name}", problems)
        for name, member in value.items()
        if name in shape.members and member is not None
    }


def _unknown_members(names: list[str], shape: StructureShape, path: str) -> str:
    accepted = ", ".join(shape.members) or "none at all"
    if len(names) == 1:
        (name,) = names
        return f"{path}.{cut(name)} is not a member of {shape.name}; accepted members: {accepted}"
    return f"{path} has {listed(names)}, which are not members of {shape.name}; accepted members: {accepted}"


def _coerce_list(value: Any, shape: ListShape, path: str, problems: _Problems) -> Any:
    value = _parse_document(value, path, problems)
    if not isinstance(value, list | tuple):
        if value is not _NOT_READ:
            problems.append(f"{path} must be a list (or a JSON array as text), not {_kind(value)}")
        return value
    return [_coerce(item, shape.member, f"{path}[{index}]", problems) for index, item in enumerate(value)]


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def _parse_document(value: Any, path: str, problems: _Problems) -> Any:
    """Return what a JSON text holds, anything else as it is, and `_NOT_READ` for a text that is of no use."""
    if not isinstance(value, str):
        return value
    try:
        document = read_json(path, value, CONFIGURATION_ADVICE)
    except BackendParameterError as error:
        problems.append(str(error))
        return _NOT_READ
    if found := [*flaws(path, document)]:
        problems.extend(found)
        return _NOT_READ
    return document


def _coerce_string(value: Any, shape: Shape, path: str, problems: _Problems) -> Any:
    text = as_text(value)
    if text is None:
        problems.append(f"{_shown(path, value)} must be a string")
        return value
    if is_secret_name(member_of(path)) and (problem := secret_problem(path, text)):
        problems.append(problem)
    accepted = getattr(shape, "enum", None)
    if accepted and text not in accepted:
        problems.append(f"{_shown(path, text)} is not accepted; accepted values: {', '.join(accepted)}")
    return text


def _coerce_boolean(value: Any, shape: Shape, path: str, problems: _Problems) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    problems.append(f"{_shown(path, value)} must be true or false")
    return value


def _coerce_number(convert: Callable[[str], int | float]) -> Callable[..., Any]:
    def coerce(value: Any, shape: Shape, path: str, problems: _Problems) -> Any:
        if convert is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        try:
            number = convert(decimal_text(value)) if isinstance(value, str | int | float) else None
        except (ValueError, OverflowError):
            number = None
        if number is None or number != number or number in (float("inf"), float("-inf")):
            kind = "a whole number" if convert is int else "a number"
            problems.append(f"{_shown(path, value)} must be {kind}")
            return value
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if (least is not None and number < least) or (most is not None and number > most):
            problems.append(f"{_shown(path, value)} is out of range; accepted: {least} to {most}")
        return number

    return coerce


_COERCIONS: dict[str, Callable[..., Any]] = {
    "structure": _coerce_structure,
    "list": _coerce_list,
    "string": _coerce_string,
    "boolean": _coerce_boolean,
    "integer": _coerce_number(int),
    "long": _coerce_number(int),
    "double": _coerce_number(float),
    "float": _coerce_number(float),
}


def _shown(path: str, value: Any) -> str:
    if is_secret_name(member_of(path)):
        return f"{path}={REDACTED}"
    # Whatever is not a plain value may hold a secret somewhere.
    is_plain = isinstance(value, str | int | float)
    return f"{path}={shown(value)}" if is_plain else f"{path}, a {type(value).__name__},"


def operation_names() -> Iterator[str]:
    """Yield the names of all operations of the service."""
    yield from service_model().operation_names
