"""REST with JSON: requests in, answers out, as botocore's model has them. No path, no wire name is written by hand.

Everything is compiled once into closures and tables, because a test with a thousand waiters asks thousands
of times per second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from airflow_provider_amplifybackend.local.http import strict_json
from airflow_provider_amplifybackend.local.http.protocol import Asked
from airflow_provider_amplifybackend.local.http.router import Router
from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import SERVICE_NAME, service_model
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, bad_request
from airflow_provider_amplifybackend.local.service.names import has_dot_segments
from airflow_provider_amplifybackend.local.service.shapes import Parser, parser_of

# A JSON value of any form goes in, one of the same form comes out.
Encoder = Callable[[Any], Any]


def wire_name(member: str, shape: Shape) -> str:
    """Return the name under which a member travels."""
    name: str = shape.serialization.get("name", member)
    return name


def encoder_of(shape: Shape) -> Encoder:
    """Return a function that turns boto3's member names into those on the wire, leaving out what is None."""
    if isinstance(shape, StructureShape):
        return _structure_encoder(shape)
    if isinstance(shape, ListShape):
        encode_element = encoder_of(shape.member)
        return lambda value: [encode_element(element) for element in value]
    if isinstance(shape, MapShape):
        encode_value = encoder_of(shape.value)
        return lambda value: {key: encode_value(one) for key, one in value.items()}
    if shape.type_name == "timestamp":
        return lambda value: round(value, 3)
    return lambda value: value


def _structure_encoder(shape: StructureShape) -> Encoder:
    fields = {member: (wire_name(member, sub), encoder_of(sub)) for member, sub in shape.members.items()}

    def encode(value: Mapping[str, Any]) -> dict[str, Any]:
        encoded = {}
        for member, content in value.items():
            if content is not None:
                name, encode_content = fields[member]
                encoded[name] = encode_content(content)
        return encoded

    return encode


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation, ready to parse its requests and to encode its answers."""

    name: str
    labels: dict[str, str]
    """The members that are part of the path, by the names that the path has for them."""
    queries: dict[str, tuple[str, Shape]]
    """The members that are part of the query, by their names there."""
    parse_body: Parser
    encode: Encoder
    required_strings: tuple[str, ...]
    output_names: dict[str, str]

    def parse(self, labels: Mapping[str, str], query: bytes, body: bytes) -> dict[str, Any]:
        """Return the request's parameters under boto3's names.

        :raises AnsweredError: The request is malformed.
        """
        fields = _read_json(body)
        if self.queries:
            fields |= self._read_query(query)
        for label, text in labels.items():
            _refuse_undecodable(text, f"{self.labels[label]} in the path")
            fields[label] = text
        parameters: dict[str, Any] = self.parse_body(fields, "")
        for member in self.required_strings:
            if not parameters[member].strip():
                raise bad_request(f"{member} must not be empty")
        return parameters

    def _read_query(self, query: bytes) -> dict[str, Any]:
        """Return the members in the query as JSON would have them, under their names there."""
        found: dict[str, Any] = {}
        for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"):
            member, shape = self.queries.get(name, ("", None))
            if shape is None:
                continue
            _refuse_undecodable(text, f"{member} in the query")
            if isinstance(shape, ListShape):
                found.setdefault(name, []).append(text)
            else:
                found[name] = _number(text, member) if shape.type_name == "integer" else text
        return found


def _number(text: str, member: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise bad_request(f"{member} must be an integer, not {checks.shown(text)}")
    return int(text)


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        return strict_json.read_object(body)
    except ValueError as error:
        raise bad_request(f"Malformed request: {error}") from None


def _refuse_undecodable(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request(f"{what} is not valid UTF-8") from None


def _dump(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _compile(model: OperationModel) -> Operation:
    shape = cast("StructureShape", model.input_shape)
    output = model.output_shape
    return Operation(
        name=model.name,
        labels={
            wire_name(member, sub): member
            for member, sub in shape.members.items()
            if sub.serialization.get("location") == "uri"
        },
        queries={
            wire_name(member, sub): (member, sub)
            for member, sub in shape.members.items()
            if sub.serialization.get("location") == "querystring"
        },
        parse_body=parser_of(shape, wire_name),
        encode=encoder_of(output) if output else lambda value: {},
        required_strings=tuple(
            member for member in shape.required_members if shape.members[member].type_name == "string"
        ),
        output_names={member: wire_name(member, sub) for member, sub in output.members.items()} if output else {},
    )


class Wire:
    """A whole service on the wire."""

    content_type = b"application/json"

    def __init__(self, service: str = SERVICE_NAME) -> None:
        model = service_model(service)
        self.service = service
        self.router: Router[Operation] = Router()
        self._operations = {name: _compile(model.operation_model(name)) for name in model.operation_names}
        for name, operation in self._operations.items():
            http = model.operation_model(name).http
            self.router.add(http["method"], http["requestUri"], operation)
        self._errors = {error.name: cast("StructureShape", error) for error in model.error_shapes}

    def is_path(self, raw_path: str) -> bool:
        """Return true for a path of this service, for requests without a signature that says whose they are."""
        return self.router.knows(raw_path) or (has_dot_segments(raw_path) and self.router.concerns(raw_path))

    def read(self, method: str, raw_path: str, query: bytes, body: bytes | None) -> Asked:
        operation, labels = self.router.match(method, raw_path) or (None, {})
        # Signed as one operation and sent as another, if anybody on the way resolves them.
        dotted = bad_request("The path must not have dot segments") if has_dot_segments(raw_path) else None
        if operation is None:
            unknown = AnsweredError("UnknownOperationException", "No operation has this method and path", status=404)
            return Asked(refusal=dotted or unknown)
        # Faults and the journal want to know the environment even of a request that is refused.
        asked = Asked(operation.name, {operation.labels[label]: text for label, text in labels.items()})
        try:
            if dotted is not None:
                raise dotted
            if body is None:
                raise bad_request("The request body is too large")
            asked.parameters = operation.parse(labels, query, body)
        except AnsweredError as refusal:
            asked.refusal = refusal
        return asked

    def answer(self, operation: str, result: Mapping[str, Any]) -> bytes:
        return _dump(self._operations[operation].encode(result))

    def altered(self, operation: str, result: Mapping[str, Any], members: Mapping[str, Any]) -> bytes:
        model = self._operations[operation]
        fields: dict[str, Any] = model.encode(result)
        fields.update({model.output_names.get(member, member): value for member, value in members.items()})
        return _dump({name: value for name, value in fields.items() if value is not None})

    def error(self, error: AnsweredError) -> bytes:
        shape = self._errors.get(error.code)
        if shape is None:
            return _dump({"message": error.message})
        # One service's errors have a `Message`, the other's a `message`, and some more than that.
        known = {**error.members, "message": error.message, "code": error.code}
        return _dump(encoder_of(shape)({member: known[member] for member in shape.members if member in known}))
