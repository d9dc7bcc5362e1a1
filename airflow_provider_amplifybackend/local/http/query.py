"""The Query protocol: form-encoded requests in, XML answers out, as botocore's model describes them."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, Shape, StructureShape

from airflow_provider_amplifybackend.local.http.protocol import Asked
from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.api_model import service_model
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, validation_error
from airflow_provider_amplifybackend.local.service.shapes import Parser, parser_of

# A form as a tree: `A.member.1=x` is {"A": {"member": {"1": {"": "x"}}}}.
Node = dict[str, Any]
_TEXT = ""
_MOST_FIELDS = 10_000
_MOST_PARTS = 20

# XML has no place for these, not even as an escape.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Query:
    """A whole service on the wire."""

    content_type = b"text/xml"

    def __init__(self, service: str) -> None:
        self.service = service
        self._model = service_model(service)
        self._namespace = self._model.metadata["xmlNamespace"]
        # Compiled when they are needed: CloudFormation has ninety operations, and a test needs five of them.
        self._parsers: dict[str, Parser] = {}
        self._request_ids = random.Random()  # nothing here is a secret

    def read(self, method: str, raw_path: str, query: bytes, body: bytes | None) -> Asked:
        asked = Asked()
        try:
            if body is None:
                raise validation_error("The request body is too large")
            form = _form(b"&".join(part for part in (query, body) if part))
            asked.operation = self._operation(form)
            asked.parameters = self._parameters(asked.operation, form)
        except AnsweredError as refusal:
            asked.refusal = refusal
        return asked

    def _operation(self, form: Node) -> str:
        action: str = form.get("Action", {}).get(_TEXT, "")
        if not action:
            raise AnsweredError("MissingAction", "The request has no Action")
        if action not in self._model.operation_names:
            raise AnsweredError("InvalidAction", f"Could not find operation {checks.shown(action)}")
        return action

    def _parameters(self, operation: str, form: Node) -> dict[str, Any]:
        shape = self._model.operation_model(operation).input_shape
        if shape is None:
            return {}
        if operation not in self._parsers:
            self._parsers[operation] = parser_of(shape)
        try:
            parameters: dict[str, Any] = self._parsers[operation](_plain(shape, form, ""), "")
        except AnsweredError as refusal:
            raise validation_error(f"1 validation error detected: {refusal.message}") from None
        return parameters

    def answer(self, operation: str, result: Mapping[str, Any]) -> bytes:
        return self._response(operation, self._members(operation, result))

    def altered(self, operation: str, result: Mapping[str, Any], members: Mapping[str, Any]) -> bytes:
        kept = {name: value for name, value in result.items() if name not in members}
        odd = "".join(_any(name, value) for name, value in members.items() if value is not None and _is_name(name))
        return self._response(operation, self._members(operation, kept) + odd)

    def _members(self, operation: str, result: Mapping[str, Any]) -> str:
        shape = self._model.operation_model(operation).output_shape
        return "" if shape is None else _structure(shape, result)

    def _response(self, operation: str, content: str) -> bytes:
        shape = self._model.operation_model(operation).output_shape
        wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
        wrapped = f"<{wrapper}>{content}</{wrapper}>" if wrapper else content
        request = f"<ResponseMetadata>{self._request_id()}</ResponseMetadata>"
        name = f"{operation}Response"
        return f'<{name} xmlns="{self._namespace}">{wrapped}{request}</{name}>'.encode()

    def error(self, error: AnsweredError) -> bytes:
        side = "Sender" if error.status < 500 else "Receiver"
        content = f"<Type>{side}</Type><Code>{_text(error.code)}</Code><Message>{_text(error.message)}</Message>"
        start = f'<ErrorResponse xmlns="{self._namespace}">'
        return f"{start}<Error>{content}</Error>{self._request_id()}</ErrorResponse>".encode()

    def _request_id(self) -> str:
        return f"<RequestId>{self._request_ids.getrandbits(128):032x}</RequestId>"


def _form(body: bytes) -> Node:
    """Read a form into a tree; a field that comes twice has its first value."""
    try:
        pairs = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise validation_error(f"The request has more than {_MOST_FIELDS} fields") from None
    tree: Node = {}
    for name, value in pairs:
        node = tree
        for part in name.split(".", _MOST_PARTS):
            node = node.setdefault(part or "?", {})
        node.setdefault(_TEXT, value)
    return tree


def _plain(shape: Shape, node: Node, path: str) -> Any:
    """Return what a part of the form says as JSON would have it, with boto3's names."""
    if isinstance(shape, StructureShape):
        names = {member: sub.serialization.get("name", member) for member, sub in shape.members.items()}
        return {
            member: _plain(shape.members[member], node[name], f"{path}.{member}" if path else member)
            for member, name in names.items()
            if name in node
        }
    if isinstance(shape, ListShape):
        flat = shape.serialization.get("flattened")
        entries = node if flat else node.get(shape.member.serialization.get("name", "member"), {})
        return [_plain(shape.member, entry, path) for entry in _in_order(entries)]
    if isinstance(shape, MapShape):
        pairs = _in_order(node if shape.serialization.get("flattened") else node.get("entry", {}))
        texts = [(pair.get("key", {}).get(_TEXT, ""), pair.get("value", {})) for pair in pairs]
        return {key: _plain(shape.value, value, path) for key, value in texts}
    return _scalar(shape, node.get(_TEXT, ""), path)


def _in_order(entries: Node) -> list[Node]:
    numbered = [(int(number), entry) for number, entry in entries.items() if _is_number(number)]
    return [entry for _, entry in sorted(numbered, key=lambda pair: pair[0])]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _scalar(shape: Shape, text: str, path: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise validation_error(f"{path} is not valid UTF-8") from None
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if shape.type_name in ("integer", "long") and _is_number(text.removeprefix("-")):
        return int(text)
    # A wrong text for a number stays a text, which the check of its type refuses.
    return text


def _structure(shape: StructureShape, value: Mapping[str, Any]) -> str:
    return "".join(
        _element(shape.members[member].serialization.get("name", member), shape.members[member], content)
        for member, content in value.items()
        if content is not None
    )


def _element(name: str, shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        return f"<{name}>{_structure(shape, value)}</{name}>"
    if isinstance(shape, ListShape):
        entry = shape.member.serialization.get("name", "member")
        return f"<{name}>{''.join(_element(entry, shape.member, one) for one in value)}</{name}>"
    if shape.type_name == "timestamp":
        return f"<{name}>{_moment(value)}</{name}>"
    return _any(name, value)


def _any(name: str, value: Any) -> str:
    """Return an element of a value of any JSON type."""
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_any(key, one) for key, one in value.items() if _is_name(key))}</{name}>"
    if isinstance(value, list):
        return f"<{name}>{''.join(_any('member', one) for one in value)}</{name}>"
    if isinstance(value, bool) or value is None:
        return f"<{name}>{str(value).lower()}</{name}>"
    return f"<{name}>{_text(str(value))}</{name}>"


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) is not None


def _text(text: str) -> str:
    # A parser would take a carriage return for a line end.
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _moment(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{thousandths:03}Z"
