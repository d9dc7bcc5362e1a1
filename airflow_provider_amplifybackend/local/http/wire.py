"""Requests in, answers out, as botocore's service model describes them. No path and no wire name is written by hand.

Everything is compiled once into closures and tables, because a test with a thousand waiters asks thousands
of times per second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from botocore.model import ListShape, OperationModel, Shape, StructureShape

from airflow_provider_amplifybackend.local.http import strict_json
from airflow_provider_amplifybackend.local.http.router import Router
from airflow_provider_amplifybackend.local.service.api_model import service_model
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, bad_request
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
    parse_body: Parser
    encode: Encoder
    required_strings: tuple[str, ...]
    output_names: dict[str, str]

    def parse(self, labels: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the request's parameters under boto3's names.

        :raises AnsweredError: The request is malformed.
        """
        fields = _read_json(body)
        for label, text in labels.items():
            _refuse_undecodable(text, self.labels[label])
            fields[label] = text
        parameters: dict[str, Any] = self.parse_body(fields, "")
        for member in self.required_strings:
            if not parameters[member].strip():
                raise bad_request(f"{member} must not be empty")
        return parameters

    def answer(self, result: Mapping[str, Any]) -> bytes:
        return _dump(self.encode(result))

    def altered(self, body: bytes, members: Mapping[str, Any]) -> bytes:
        """Return an answer with other members, whatever the model says of them; null leaves one out."""
        fields: dict[str, Any] = json.loads(body)
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
        parse_body=parser_of(shape, wire_name),
        encode=encoder_of(output) if output else lambda value: {},
        required_strings=tuple(
            member for member in shape.required_members if shape.members[member].type_name == "string"
        ),
        output_names={member: wire_name(member, sub) for member, sub in output.members.items()} if output else {},
    )


class Wire:
    """The whole service on the wire."""

    def __init__(self) -> None:
        model = service_model()
        self.operation_names: tuple[str, ...] = tuple(model.operation_names)
        self.router: Router[Operation] = Router()
        for operation in map(model.operation_model, self.operation_names):
            self.router.add(operation.http["method"], operation.http["requestUri"], _compile(operation))
        self._errors = {error.name: encoder_of(error) for error in model.error_shapes}

    def error(self, error: AnsweredError) -> bytes:
        encode = self._errors.get(error.code)
        return _dump(encode(error.members) if encode else {"message": error.message})
