"""A wire format as the interface over HTTP uses it: requests read, answers and errors written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_amplifybackend.local.service.errors import AnsweredError


@dataclass(slots=True)
class Asked:
    """A request that has been read: what it asks for, as far as it could be made out, or why it is refused."""

    operation: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    refusal: AnsweredError | None = None


class WireFormat(Protocol):
    """The format in which one service reads and writes, after botocore's model of it."""

    service: str
    content_type: bytes

    def read(self, method: str, raw_path: str, query: bytes, body: bytes | None) -> Asked:
        """Read a request; a body that was too large is None. What is wrong with it is its refusal."""

    def answer(self, operation: str, result: Mapping[str, Any]) -> bytes: ...

    def altered(self, operation: str, result: Mapping[str, Any], members: Mapping[str, Any]) -> bytes:
        """Return an answer with other members, whatever the model says of them; None leaves one out."""

    def error(self, error: AnsweredError) -> bytes: ...
