"""Requests in, answers out, as botocore's service model describes them.

Everything is compiled once into closures and tables, because a test with a thousand waiters asks thousands
of times per second. No path and no wire name is written here by hand.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, unquote_to_bytes

from botocore.loaders import create_loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from airflow_provider_amplifybackend.local.http import strict_json
from airflow_provider_amplifybackend.local.service.errors import ServiceError, bad_request

Parser = Callable[[Any, str], Any]
Encoder = Callable[[Any], Any]

SERVICE_NAME = "amplifybackend"


@functools.cache
def service_model() -> Any:
    # Not through a session, which would look for the profile that the user's shell names.
    return ServiceModel(create_loader().load_service_model(SERVICE_NAME, "service-2"), SERVICE_NAME)


def parser_of(shape: Shape, *, wire_names: bool = True) -> Parser:
    """A function that checks a JSON value against the shape and names members as boto3 does."""
    if isinstance(shape, StructureShape):
        return _structure_parser(shape, wire_names)
    if isinstance(shape, ListShape):
        return _list_parser(shape, wire_names)
    return _scalar_parser(shape)


def _structure_parser(shape: StructureShape, wire_names: bool) -> Parser:
    fields = [
        (
            member,
            sub.serialization.get("name", member) if wire_names else member,
            parser_of(sub, wire_names=wire_names),
            member in shape.required_members,
        )
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


def _list_parser(shape: ListShape, wire_names: bool) -> Parser:
    parse_element = parser_of(shape.member, wire_names=wire_names)

    def parse(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise bad_request(f"{path} must be a list")
        return [parse_element(element, f"{path}[{index}]") for index, element in enumerate(value)]

    return parse


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
}


def _scalar_parser(shape: Shape) -> Parser:
    types = _TYPES[shape.type_name]
    allowed = frozenset(shape.metadata["enum"]) if "enum" in shape.metadata else None
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def parse(value: Any, path: str) -> Any:
        # bool is an int in Python but not in JSON.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise bad_request(f"{path} must be a {shape.type_name}")
        if allowed is not None and value not in allowed:
            raise bad_request(f"{path} must be one of {', '.join(sorted(allowed))}")
        if low is not None or high is not None:
            size = len(value) if isinstance(value, str) else value
            if (low is not None and size < low) or (high is not None and size > high):
                raise bad_request(f"{path} must be between {low} and {high}")
        return value

    return parse


def encoder_of(shape: Shape) -> Encoder:
    """A function that turns boto3's member names into those on the wire, leaving out what is None."""
    if isinstance(shape, StructureShape):
        fields = {
            member: (sub.serialization.get("name", member), encoder_of(sub)) for member, sub in shape.members.items()
        }

        def encode_structure(value: dict[str, Any]) -> dict[str, Any]:
            encoded = {}
            for member, content in value.items():
                if content is not None:
                    name, encode = fields[member]
                    encoded[name] = encode(content)
            return encoded

        return encode_structure
    if isinstance(shape, ListShape):
        encode_element = encoder_of(shape.member)
        return lambda value: [encode_element(element) for element in value]
    return lambda value: value


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation, ready to parse its requests and to encode its answers."""

    name: str
    labels: dict[str, str]
    parse_body: Parser
    encode: Encoder
    required_strings: tuple[str, ...]
    input_names: dict[str, str]
    output_names: dict[str, str]
    error_codes: frozenset[str]

    def parse(self, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        """The request's parameters under boto3's names; BadRequestException if they are malformed."""
        fields = _read_json(body)
        for label, text in labels.items():
            _refuse_undecodable(text, self.labels[label])
            fields[label] = text
        parameters: dict[str, Any] = self.parse_body(fields, "")
        for member in self.required_strings:
            if not parameters[member].strip():
                raise bad_request(f"{member} must not be empty")
        return parameters

    def answer(self, result: dict[str, Any]) -> bytes:
        return _dump(self.encode(result))

    def altered(self, body: bytes, members: dict[str, Any]) -> bytes:
        """An answer whose members are others, whatever the model says of them; null leaves one out."""
        fields = json.loads(body)
        fields.update({self.output_names.get(member, member): value for member, value in members.items()})
        return _dump({name: value for name, value in fields.items() if value is not None})


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        return strict_json.read_object(body)
    except ValueError as error:
        raise bad_request(f"Malformed request: {error}") from None


def _refuse_undecodable(text: str, member: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request(f"{member} in the path is not valid UTF-8") from None


def _dump(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _compile(model: OperationModel) -> Operation:
    shape = cast("StructureShape", model.input_shape)
    labels = {
        sub.serialization["name"]: member
        for member, sub in shape.members.items()
        if sub.serialization.get("location") == "uri"
    }
    output = model.output_shape
    return Operation(
        name=model.name,
        labels=labels,
        parse_body=parser_of(shape),
        encode=encoder_of(output) if output else lambda value: {},
        required_strings=tuple(
            member for member in shape.required_members if shape.members[member].type_name == "string"
        ),
        input_names=_wire_names(shape),
        output_names=_wire_names(output) if output else {},
        error_codes=frozenset(error.name for error in model.error_shapes),
    )


def _wire_names(shape: StructureShape) -> dict[str, str]:
    return {member: sub.serialization.get("name", member) for member, sub in shape.members.items()}


_SEPARATORS = re.compile(r"[/\\]")
_MOST_DECODINGS = 8


def has_dot_segments(raw_path: str) -> bool:
    r"""Whether anybody on the way could resolve the path to another one: a proxy, a client or a signer.

    They differ in what they decode first and in what separates segments (`%2e%2e`, `..%2F`, `%252e`, `..\\`, `..;x`),
    so all of it counts. What is encoded more often than anybody decodes is refused, too.
    """
    path = raw_path
    for _ in range(_MOST_DECODINGS):
        if any(segment.partition(";")[0] in (".", "..") for segment in _SEPARATORS.split(path)):
            return True
        decoded = unquote(path, errors="surrogateescape")
        if decoded == path:
            return False
        path = decoded
    return True


class Router:
    """Finds the operation of a method and path; a literal segment wins over a label."""

    def __init__(self, models: Iterable[OperationModel]) -> None:
        self._roots: dict[str, dict[str, Any]] = {}
        for model in models:
            self._add(model)

    def _add(self, model: OperationModel) -> None:
        node = self._roots.setdefault(model.http["method"], {})
        for segment in model.http["requestUri"].strip("/").split("/"):
            if segment.startswith("{"):
                _, node = node.setdefault("{}", (segment.strip("{}"), {}))
            else:
                node = node.setdefault(segment, {})
        node["/"] = _compile(model)

    def concerns(self, raw_path: str) -> bool:
        """Whether one of the path's segments, however encoded, is one that our paths begin with."""
        roots = {root for node in self._roots.values() for root in node}
        return not roots.isdisjoint(_SEPARATORS.split(unquote(raw_path, errors="surrogateescape")))

    def knows(self, raw_path: str) -> bool:
        """Whether an operation has this path, with whatever method."""
        return any(self.match(method, raw_path) for method in self._roots)

    def match(self, method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
        root = self._roots.get(method)
        if root is None:
            return None
        # Split before unquoting: an environment name may hold an encoded slash.
        segments = raw_path.split("/")[1:]
        return self._walk(root, segments, 0, {})

    def _walk(
        self, node: dict[str, Any], segments: list[str], index: int, labels: dict[str, str]
    ) -> tuple[Operation, dict[str, str]] | None:
        if index == len(segments):
            operation = node.get("/")
            return (operation, labels) if operation else None
        segment = segments[index]
        literal = node.get(segment) if segment not in ("/", "{}") else None
        if literal is not None:
            found = self._walk(literal, segments, index + 1, labels)
            if found:
                return found
        if "{}" in node:
            label, child = node["{}"]
            return self._walk(child, segments, index + 1, {**labels, label: _decoded(segment)})
        return None


def _decoded(segment: str) -> str:
    """The segment's text; what is not UTF-8 stays recognisable in it, for the journal, and is refused later."""
    return unquote_to_bytes(segment.encode("latin-1")).decode(errors="surrogateescape")


class Wire:
    """The whole service on the wire."""

    def __init__(self) -> None:
        model = service_model()
        operations = [model.operation_model(name) for name in model.operation_names]
        self.router = Router(operations)
        self.operation_names: tuple[str, ...] = tuple(model.operation_names)
        self._errors = {error.name: encoder_of(error) for error in model.error_shapes}

    def error(self, error: ServiceError) -> bytes:
        encode = self._errors.get(error.code)
        return _dump(encode(error.members) if encode else {"message": error.message})
