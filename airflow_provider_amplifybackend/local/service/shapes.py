"""JSON values checked against botocore's shapes.

Each shape is compiled once into a closure, because a test with a thousand waiters asks thousands of times per second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from airflow_provider_amplifybackend.local.service.errors import bad_request

Parser = Callable[[Any, str], Any]
Naming = Callable[[str, Shape], str]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    # As JSON has it: seconds since 1970.
    "timestamp": (int, float),
}


def own_name(member: str, shape: Shape) -> str:
    """Return the member's name as boto3 has it."""
    return member


def parser_of(shape: Shape, given_name: Naming = own_name) -> Parser:
    """Return a function that checks a JSON value against the shape and names its members as boto3 does.

    :param given_name: The name under which a member stands in the value.
    """
    if isinstance(shape, StructureShape):
        return _structure_parser(shape, given_name)
    if isinstance(shape, ListShape):
        return _list_parser(shape, given_name)
    if isinstance(shape, MapShape):
        return _map_parser(shape, given_name)
    return _scalar_parser(shape)


def _structure_parser(shape: StructureShape, given_name: Naming) -> Parser:
    fields = [
        (member, given_name(member, sub), parser_of(sub, given_name), member in shape.required_members)
        for member, sub in shape.members.items()
    ]

    def parse(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise bad_request(f"{path} must be a structure")
        parsed = {}
        for member, name, parse_member, required in fields:
            given = value.get(name)
            if given is not None:
                parsed[member] = parse_member(given, f"{path}.{member}" if path else member)
            elif required:
                raise bad_request(f"Missing required member {f'{path}.{member}' if path else member}")
        return parsed

    return parse


def _list_parser(shape: ListShape, given_name: Naming) -> Parser:
    parse_element = parser_of(shape.member, given_name)

    def parse(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise bad_request(f"{path} must be a list")
        _refuse_size(len(value), shape, path, "entries")
        return [parse_element(element, f"{path}[{index}]") for index, element in enumerate(value)]

    return parse


def _map_parser(shape: MapShape, given_name: Naming) -> Parser:
    parse_key, parse_value = parser_of(shape.key, given_name), parser_of(shape.value, given_name)

    def parse(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise bad_request(f"{path} must be a map")
        _refuse_size(len(value), shape, path, "entries")
        return {parse_key(key, f"a key of {path}"): parse_value(one, f"{path}.{key}") for key, one in value.items()}

    return parse


def _refuse_size(size: float, shape: Shape, path: str, what: str = "") -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is None or size >= low) and (high is None or size <= high):
        return
    must = f"{path} must have" if what else f"{path} must be"
    if low is None or high is None:
        limit = f"at most {high}" if low is None else f"at least {low}"
    else:
        limit = f"between {low} and {high}"
    raise bad_request(f"{must} {limit} {what}".rstrip())


def _scalar_parser(shape: Shape) -> Parser:
    types = _TYPES[shape.type_name]
    allowed = frozenset(shape.metadata["enum"]) if "enum" in shape.metadata else None
    limited = "min" in shape.metadata or "max" in shape.metadata

    def parse(value: Any, path: str) -> Any:
        # bool is an int in Python but not in JSON.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise bad_request(f"{path} must be a {shape.type_name}")
        if allowed is not None and value not in allowed:
            raise bad_request(f"{path} must be one of {', '.join(sorted(allowed))}")
        if limited:
            _refuse_size(cast("float", len(value) if isinstance(value, str) else value), shape, path)
        return value

    return parse
