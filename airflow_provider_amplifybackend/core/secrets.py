"""The secret members of the API, and their removal from everything that is shown, stored or returned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_amplifybackend.core.encodable import encodable, encodable_text
from airflow_provider_amplifybackend.core.secret_forms import written_forms

REDACTED = "***"
SECRET_MEMBERS = frozenset({"ClientSecret", "PrivateKey", "ChallengeCode", "GraphQLAPIKeyOutput", "AppClientSecret"})
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
# What is given may spell them otherwise, as the Amplify CLI's files do (googleAppSecretUserPool, client_secret). It
# will be refused, but it is stored and shown as a rendered field before that.
_NAMES = r"secret|private[-_ ]?key|api[-_ ]?key|challenge[-_ ]?code|session[-_ ]?id"
_find_secret_name = re.compile(_NAMES, re.IGNORECASE).search
# A secret in a text that is not JSON after all, or is a dictionary as Python shows it.
_MEMBER_IN_TEXT = re.compile(
    rf"""(["'])[^"'\n]{{0,60}}?(?:{_NAMES})[^"'\n]{{0,60}}?\1\s*:\s*(["'])(?P<value>(?:(?!\2)[^\\]|\\.)+)\2""",
    re.DOTALL | re.IGNORECASE,
)


def is_secret_name(name: Any) -> bool:
    """Tell whether a member is to be masked, in any spelling."""
    return isinstance(name, str) and _find_secret_name(name) is not None


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
    """Return a JSON text without its secrets: as compact as the service writes it, and untouched if it has none."""
    if not _may_hold(text, SECRET_MEMBERS):
        return text
    try:
        return json.dumps(redact_secrets(encodable(json.loads(text))), separators=(",", ":"))
    except (ValueError, RecursionError):
        # Whatever it is, it cannot be searched for the secrets that it may hold.
        return REDACTED


def _may_hold(text: str, names: frozenset[str]) -> bool:
    """Tell whether a text can have one of the members; JSON can write a letter as an escape."""
    return "\\u" in text or any(name in text for name in names)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with each member as often as it is written there: a log shows all of them."""


def secret_values(value: Any) -> Iterator[str]:
    """Yield every secret in a request or response, for the log's masker."""
    waiting = [(value, False)]
    seen: dict[tuple[int, bool], Any] = {}  # a value that contains itself will be refused, too
    while waiting:
        value, is_secret = waiting.pop()
        if isinstance(value, Mapping | list | tuple):
            if (id(value), is_secret) in seen:
                continue
            seen[id(value), is_secret] = value  # which stays, so that no other gets its id
        if isinstance(value, str) and is_secret:
            if value:
                yield encodable_text(value)
        elif isinstance(value, str) and ("\\u" in value or _find_secret_name(value)):
            try:
                waiting.append((json.loads(value, object_pairs_hook=_Pairs), False))
            except (ValueError, RecursionError):
                # It will be refused, but it is stored and shown as a rendered field before that.
                yield from (match["value"] for match in _MEMBER_IN_TEXT.finditer(value))
        elif isinstance(value, Mapping | _Pairs):
            members = value.items() if isinstance(value, Mapping) else value
            waiting += [(member, is_secret or is_secret_name(key)) for key, member in members]
        elif isinstance(value, list | tuple):
            waiting += [(item, is_secret) for item in value]


def member_names(body: Any) -> Any:
    """Return the content of a body with its secret members in the API's spelling."""
    if isinstance(body, Mapping):
        return {WIRE_NAMES.get(key, key): member_names(value) for key, value in body.items()}
    if isinstance(body, list):
        return [member_names(item) for item in body]
    return body


def redact_text(text: str, secrets: Iterable[str]) -> str:
    """Return a text of the service in which each secret, however it is written there, is replaced by ``***``."""
    known = {encodable_text(secret) for secret in secrets if secret}
    forms = {form for secret in known for form in written_forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, REDACTED)
    for secret in known - forms:
        # Too short to be told from a part of another word.
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", REDACTED, text)
    return text
