"""The request as it lies on the wire: which operation its address leads to, and the names that it has.

Handlers may change a request until it is sent, so that neither the event's operation nor the parameters say for certain
what the service will be asked for. The address and the body do.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters import service_model


def prepare() -> None:
    """Read what the functions below need: the event loop of a triggerer must not wait for botocore's data files."""
    _templates()


def operation_on_the_wire(operation: str, request: Any) -> str:
    """Return the operation that an address leads to; that of the event for an address that is none of the service's.

    :param operation: The operation of the event.
    """
    path = _path(request)
    if _fits(_templates().get((request.method, operation), ()), path):
        return operation
    for (method, name), template in _templates().items():
        if method == request.method and _fits(template, path):
            return name
    return operation


def names_on_the_wire(operation: str, request: Any) -> dict[str, Any]:
    """Return the names and flags of a request as its address and its body have them."""
    names = _names_in_body(request.body)
    for part, value in zip(reversed(_template(operation)), reversed(_path(request)), strict=False):
        if part.startswith("{"):
            names[part.strip("{}")] = unquote(value)
    shapes = service_model.input_shape(operation).members
    members = {shape.serialization.get("name", member): member for member, shape in shapes.items()}
    return {members[name]: value for name, value in names.items() if name in members}


def _path(request: Any) -> tuple[str, ...]:
    return tuple(urlsplit(request.url).path.split("/"))


def _fits(template: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Tell whether an address ends as a template does: the endpoint may have a path of its own, in front."""
    if not template or len(path) < len(template):
        return False
    tail = path[len(path) - len(template) :]
    # The template begins with a slash, and so with an empty part.
    return all(
        part.startswith("{") or part == unquote(value) for part, value in zip(template[1:], tail[1:], strict=True)
    )


@lru_cache(maxsize=1)
def _templates() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the templates of addresses by method and operation, the longest first: it says the most."""
    model = service_model.service_model()
    known = {(str(model.operation_model(name).http["method"]), name): _template(name) for name in model.operation_names}
    return dict(sorted(known.items(), key=lambda one: -len(one[1])))


@lru_cache(maxsize=64)
def _template(operation: str) -> tuple[str, ...]:
    address: str = service_model.service_model().operation_model(operation).http["requestUri"]
    return tuple(urlsplit(address).path.split("/"))


def _names_in_body(body: Any) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}", object_pairs_hook=_members)
    except (TypeError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, str | bool | int | float)}


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object.

    :raises BackendParameterError: One is there twice: nobody can tell which of the two the service takes.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name in members if [key for key, _ in pairs].count(name) > 1)
        raise BackendParameterError(f"the request was not sent: its body has {twice!r} twice")
    return members
