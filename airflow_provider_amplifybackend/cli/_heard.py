"""The answers of an endpoint, and what they say of whoever gives them: whether it is AmplifyBackend, and its time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_amplifybackend.core.timing import current, http_date
from airflow_provider_amplifybackend.parameters.service_model import service_model

LONGEST_TYPE = 60


class Heard:
    """The answers that were heard so far."""

    def __init__(self) -> None:
        # Whether one of them was AmplifyBackend's.
        self.is_service = False
        # The last one in short; None: nothing came. Its text is not kept, which can be anything.
        self.last: str | None = None
        # How far the service's clock is ahead of ours, by its answers.
        self._ahead: list[float] = []

    def listen_to(self, client: Any) -> None:
        """Hear each answer that a client of boto3 gets."""
        client.meta.events.register("before-parse.amplifybackend", self._note_any)
        client.meta.events.register("response-received.amplifybackend", self._note_read)

    @property
    def ahead(self) -> float | None:
        """The least difference of the clocks that an answer has told: a slow one tells too much."""
        return min(self._ahead, key=abs, default=None)

    def _note_any(self, response_dict: Mapping[str, Any], **_: Any) -> None:
        """Note an answer that botocore may not be able to read."""
        self.last = _told(response_dict)

    def _note_read(
        self,
        response_dict: Mapping[str, Any] | None = None,
        parsed_response: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if response_dict is None or not is_of_service(response_dict, _code(parsed_response)):
            return
        self.is_service = True
        with suppress(KeyError, TypeError, ValueError, OverflowError, IndexError):
            self._ahead.append(http_date(response_dict["headers"]["date"]).timestamp() - current().now())


def is_of_service(answer: Mapping[str, Any], code: str) -> bool:
    """Tell whether an answer can be one of AmplifyBackend's: one of its errors, or JSON with AWS' id of the request.

    :param answer: As botocore has it: ``status_code``, ``headers`` and ``body``.
    :param code: That of its error, if it is one.
    """
    if code in {shape.name for shape in service_model().error_shapes}:
        return True
    # What another service of AWS says to a path that it does not have.
    if code == "UnknownOperationException" or not answer["headers"].get("x-amzn-requestid"):
        return False
    try:
        json.loads(answer["body"])
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _told(answer: Mapping[str, Any]) -> str:
    kind = str(answer["headers"].get("content-type") or "no content type").partition(";")[0]
    return f"HTTP {answer['status_code']}, {kind[:LONGEST_TYPE]}"


def _code(parsed: Mapping[str, Any] | None) -> str:
    error = (parsed or {}).get("Error")
    return str(error.get("Code") or "") if isinstance(error, Mapping) else ""
