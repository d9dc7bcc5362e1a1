"""Which members of the API are secrets, and how they are taken out of what is shown, stored or returned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_amplifybackend.encodable import encodable, encodable_text

REDACTED = "***"
SECRET_MEMBERS = frozenset({"ClientSecret", "PrivateKey", "ChallengeCode", "GraphQLAPIKeyOutput"})
# Needed downstream to look a session up or end it, so results carry it; logs and rendered templates do not.
MASKED_MEMBERS = SECRET_MEMBERS | {"SessionId"}
# The secret members as the service writes them in a body.
WIRE_NAMES = {
    "client_secret": "ClientSecret",
    "private_key": "PrivateKey",
    "challengeCode": "ChallengeCode",
    "sessionId": "SessionId",
}
# Members whose value is a JSON document in a string.
DOCUMENT_MEMBERS = frozenset({"AmplifyMetaConfig"})
# A secret in a text that is not JSON after all, or is a dictionary as Python shows it.
_MEMBER_IN_TEXT = re.compile(
    r"""(["'])(?:NAMES)\1\s*:\s*(["'])(?P<value>(?:(?!\2)[^\\]|\\.)+)\2""".replace("NAMES", "|".join(MASKED_MEMBERS)),
    re.DOTALL,
)


def redact_secrets(value: Any) -> Any:
    """Return a copy of a request or response in which every secret is replaced by ``***``."""
    if isinstance(value, Mapping):
        return {key: _redact_member(key, member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [redact_secrets(item) for item in value]
    return value


def _redact_member(key: Any, value: Any) -> Any:
    if key in SECRET_MEMBERS and value:
        return REDACTED
    if key in DOCUMENT_MEMBERS and isinstance(value, str):
        return _redact_document(value)
    return redact_secrets(value)


def _redact_document(text: str) -> str:
    try:
        document = encodable(json.loads(text))
    except (ValueError, RecursionError):
        # Whatever it is, it cannot be searched for the API key that it may hold.
        return REDACTED if any(name in text for name in SECRET_MEMBERS) else text
    return json.dumps(redact_secrets(document))


def secret_values(value: Any) -> Iterator[str]:
    """Yield every secret in a request or response, for the log's masker."""
    if isinstance(value, str) and any(name in value for name in MASKED_MEMBERS):
        try:
            value = encodable(json.loads(value))
        except (ValueError, RecursionError):
            # It will be refused, but it is stored and shown as a rendered field before that.
            yield from (match["value"] for match in _MEMBER_IN_TEXT.finditer(value))
            return
    if isinstance(value, Mapping):
        for key, member in value.items():
            if key in MASKED_MEMBERS and isinstance(member, str) and member:
                yield member
            else:
                yield from secret_values(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_values(item)


def member_names(body: Any) -> Any:
    """Return the content of a body with its secret members in the API's spelling."""
    if isinstance(body, Mapping):
        return {WIRE_NAMES.get(key, key): member_names(value) for key, value in body.items()}
    if isinstance(body, list):
        return [member_names(item) for item in body]
    return body


def written_forms(secret: str) -> set[str]:
    """Return the texts in which a secret may be written somewhere: the masker looks for texts, and knows no escapes.

    A key of several lines is looked for line by line, because each way of writing it has its own line breaks.
    """
    in_json = json.dumps(secret)[1:-1]
    lines = [line for line in re.split(r"\r\n|\n|\\n", secret) if line and not line.startswith("-----")]
    forms = {secret, in_json, repr(secret)[1:-1], repr(in_json)[1:-1], *(lines if len(lines) > 1 else ())}
    # Airflow hands them on to other processes. What cannot be encoded is written nowhere; it may be without the rest.
    return {encodable_text(form) for form in forms}
