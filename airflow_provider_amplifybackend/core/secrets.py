"""The secrets of requests and answers, and their removal from everything that is shown, stored or returned.

A secret is known by its name (``secret_names``), wherever it stands: in a dictionary, in a text that holds JSON, in
such a text within another, in YAML, in a dictionary as Python writes it (``secret_texts``). What looks like a document
with a secret in it and cannot be read is taken for a secret as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from airflow_provider_amplifybackend.core.addresses import has_password, passwords_only, without_passwords
from airflow_provider_amplifybackend.core.encodable import MAX_DEPTH, TOO_DEEP, encodable, encodable_text
from airflow_provider_amplifybackend.core.secret_forms import written_forms
from airflow_provider_amplifybackend.core.secret_names import (
    MASKED_MEMBERS,
    SECRET_MEMBERS,
    WORDS,
    IsSecret,
    is_masked_name,
    is_secret_name,
)
from airflow_provider_amplifybackend.core.secret_texts import (
    NO_SECRETS,
    Found,
    comment_replaced,
    comments,
    decoded_runs,
    in_document,
    in_words,
    is_a_value,
    is_json,
    is_no_sentence,
    looks_like_document,
    may_hold_secret,
    names_a_value,
    replaced,
)

REDACTED = "***"
# The secret members as the service writes them in a body.
WIRE_NAMES = {
    "client_secret": "ClientSecret",
    "private_key": "PrivateKey",
    "challengeCode": "ChallengeCode",
    "sessionId": "SessionId",
}
# In this document, the names below each category are those of resources, which an author may call `tokens`.
_META = frozenset({"AmplifyMetaConfig", "amplifyMetaConfig"})
# A text that cannot be read is masked as a whole up to the length that Airflow shows of a rendered field by default.
_LONGEST_WHOLE = 4096
# Texts in texts: JSON in JSON in YAML. Nobody who means well has more.
_MOST_TEXTS = 6

__all__ = [
    "MASKED_MEMBERS",
    "REDACTED",
    "SECRET_MEMBERS",
    "WIRE_NAMES",
    "is_masked_name",
    "is_secret_name",
    "member_names",
    "named_secrets",
    "redact_resources",
    "redact_secrets",
    "redact_text",
    "redact_words",
    "secret_values",
    "written_forms",
]


_CONTAINERS = (Mapping, list, tuple, set, frozenset)
_OPENING = re.compile(r"[{\[]")
_MOST_TRIES = 20  # brackets in a text that begin no JSON
_decoder = json.JSONDecoder()


def _is_text_with_secret(key: Any) -> bool:
    """Tell whether a key is more than a name."""
    return isinstance(key, str) and (may_hold_secret(key) or has_password(key))


class _Place(Enum):
    """A place in a document, as far as it says what a value there is."""

    ANYWHERE = auto()
    SECRET = auto()
    WORDS = auto()
    META = auto()
    CATEGORY = auto()


def _place(name: Any, value: Any, above: _Place, is_secret: IsSecret) -> _Place:
    """Return the place of a member."""
    if above in (_Place.SECRET, _Place.WORDS):
        return above
    is_container = isinstance(value, _CONTAINERS)
    if above is _Place.META and is_container:
        return _Place.CATEGORY
    if above is _Place.CATEGORY and is_container:
        return _Place.ANYWHERE
    if is_secret(name):
        return _Place.SECRET
    if name in _META:
        return _Place.META
    # Words are a text: what has members of its own is something else that somebody has called so, a resource `models`.
    return _Place.WORDS if name in WORDS and not is_container else _Place.ANYWHERE


def _places(
    members: Iterable[tuple[Any, Any]], above: _Place, is_secret: IsSecret
) -> Iterator[tuple[Any, Any, _Place]]:
    """Yield the members of an object with their places: the value of ``{"name": "PASSWORD", "value": ...}``, too."""
    members = [*members]
    names_secret = any(isinstance(key, str) and names_a_value(key) and is_secret(value) for key, value in members)
    for key, value in members:
        is_its_value = names_secret and isinstance(key, str) and is_a_value(key) and above is not _Place.WORDS
        yield key, value, _Place.SECRET if is_its_value else _place(key, value, above, is_secret)


def redact_secrets(value: Any) -> Any:
    """Return a copy of a request or response in which every secret is replaced by ``***``."""
    return _Redaction().of(value, _Place.ANYWHERE)


def redact_resources(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of what is kept by the names of resources: a resource that is called `tokens` is no secret."""
    return {redact_secrets(name): redact_secrets(content) for name, content in resources.items()}


class _Redaction:
    """The copying of one value, which may contain itself, or the same part many times.

    :param texts: How many texts may still stand in one another.
    """

    def __init__(self, texts: int = _MOST_TEXTS) -> None:
        self._texts = texts
        self._copies: dict[tuple[int, _Place], Any] = {}

    def of(self, value: Any, place: _Place, depth: int = MAX_DEPTH) -> Any:
        if place is _Place.SECRET:
            return value if isinstance(value, bool) or not value else REDACTED
        if isinstance(value, str):
            return self.of_text(value, place)
        if isinstance(value, bytes | bytearray):
            text = value.decode(errors="replace")
            return value if self.of_text(text, place) == text else REDACTED
        if not isinstance(value, _CONTAINERS):
            return value
        if not depth:
            return TOO_DEEP
        if (id(value), place) not in self._copies:
            self._copies[id(value), place] = TOO_DEEP  # in itself
            self._copies[id(value), place] = self._copy(value, place, depth - 1)
        return self._copies[id(value), place]

    def _copy(self, value: Any, place: _Place, depth: int) -> Any:
        if isinstance(value, Mapping):
            members = _places(value.items(), place, is_secret_name)
            return {self._key(key): self.of(member, inner, depth) for key, member, inner in members}
        return [self.of(item, place, depth) for item in value]

    def _key(self, key: Any) -> Any:
        return self.of_text(key, _Place.ANYWHERE) if _is_text_with_secret(key) else key

    def of_text(self, text: str, place: _Place) -> str:
        """Return a text without its secrets, and as it is if it has none."""
        if place is _Place.WORDS:
            return text
        text = without_passwords(text, REDACTED)
        if not may_hold_secret(text):
            return self._without_codes(text)
        if not self._texts:
            return REDACTED
        if is_json(text):
            return self._json(text, place)
        found = in_document(text, is_secret_name) if looks_like_document(text) else None
        if found is not None:
            text = replaced(text, found, self._scalar)
            return comment_replaced(text, redact_words)
        return REDACTED if is_no_sentence(text) else redact_words(text)

    def _without_codes(self, text: str) -> str:
        return replaced(text, _secret_runs(text, self._texts), lambda *_: REDACTED)

    def _json(self, text: str, place: _Place) -> str:
        if next(_secrets_in(text, place, is_secret_name), None) is None:
            return text
        copy = _Redaction(self._texts - 1).of(encodable(json.loads(text)), place)
        return json.dumps(copy, separators=(",", ":"))  # as compact as the service writes it

    def _scalar(self, text: str, found: Found) -> str:
        written = text[found.start : found.end]
        if found.is_secret:
            value = REDACTED
        else:
            value = _Redaction(self._texts - 1).of_text(found.value, _Place.ANYWHERE)
            if value == found.value:
                return written
        return json.dumps(value) + ("\n" if written.endswith("\n") else "")


def redact_words(text: str) -> str:
    """Return a text in words, of one line or many, without the values that stand in it beside the name of a secret.

    JSON that stands in it is looked into, and so is what is percent-encoded or in base64.
    """
    text = replaced(text, _secret_runs(text, _MOST_TEXTS), lambda *_: REDACTED)
    if not may_hold_secret(text):
        return text
    found = in_document(text, is_secret_name) if looks_like_document(text) else None
    if found and any(entry.is_secret for entry in found):
        text = replaced(text, (entry for entry in found if entry.is_secret), lambda *_: json.dumps(REDACTED))
    # First what leaves the rest of the text to the byte.
    text = replaced(text, in_words(text, is_secret_name), lambda *_: REDACTED)
    return replaced(text, _embedded(text), lambda _, found: _Redaction().of_text(found.value, _Place.ANYWHERE))


def _embedded(text: str) -> Iterator[Found]:
    """Yield the JSON documents with secrets that stand in a text."""
    position, tries = 0, 0
    while tries < _MOST_TRIES and (opening := _OPENING.search(text, position)):
        try:
            _, position = _decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            position, tries = opening.end(), tries + 1
        else:
            document = text[opening.start() : position]
            secrets = _secrets_in(document, _Place.ANYWHERE, is_secret_name)
            if any(secret != REDACTED for _, secret in secrets):
                yield Found(opening.start(), position, document)


def _secret_runs(text: str, texts: int) -> Iterator[Found]:
    """Yield what in a text is a text with secrets in another code."""
    for run in decoded_runs(text) if texts else ():
        if next(_secrets_in(run.value, _Place.ANYWHERE, is_secret_name, texts=texts - 1), None):
            yield run


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with each member as often as it is written there: a log shows all of them."""


def secret_values(value: Any) -> Iterator[str]:
    """Yield every secret in a request or response, for the log's masker."""
    for _, secret in named_secrets(value, is_masked_name):
        text = encodable_text(secret)
        if text.casefold() not in NO_SECRETS:
            yield text


def named_secrets(value: Any, is_secret: IsSecret = is_secret_name, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every secret in a value with the path of its member.

    :param name: The value's own name, a parameter's.
    """
    place = _place(name, value, _Place.ANYWHERE, is_secret)
    for path, secret in _secrets_in(value, place, is_secret, (None, name)):
        yield _path(path), secret


def _path(path: Any) -> str:
    names: list[str] = []
    while path:
        path, name = path
        names.append(name if isinstance(name, str) else f"[{name}]")
    return ".".join(filter(None, reversed(names))).replace(".[", "[")


def _secrets_in(
    value: Any, place: _Place, is_secret: IsSecret, path: tuple[Any, Any] = (None, ""), *, texts: int = _MOST_TEXTS
) -> Iterator[tuple[tuple[Any, Any], str]]:
    """Yield the secrets of a value that may be nested as deep as it likes; a path is its last name and the rest."""
    waiting: list[tuple[Any, _Place, tuple[Any, Any], int]] = [(value, place, path, texts)]
    seen: dict[tuple[int, _Place], Any] = {}  # a value that contains itself will be refused, too
    while waiting:
        value, place, path, texts = waiting.pop()
        if isinstance(value, bytes | bytearray):
            value = value.decode(errors="replace")
        if isinstance(value, _CONTAINERS):
            if (id(value), place) in seen:
                continue
            seen[id(value), place] = value  # which stays, so that no other gets its id
            waiting += [
                (member, inner, (path, key), texts) for key, member, inner in _inner_places(value, place, is_secret)
            ]
        elif place is _Place.SECRET:
            if value and not isinstance(value, bool):
                yield path, str(value)
        elif isinstance(value, str) and place is not _Place.WORDS:
            yield from ((path, password) for password in passwords_only(value))
            if not may_hold_secret(value):
                for run in _secret_runs(value, texts):
                    yield path, value[run.start : run.end]
                    waiting.append((run.value, place, path, texts - 1))
            elif not texts:
                yield path, value
            elif is_json(value):
                waiting.append((json.loads(value, object_pairs_hook=_Pairs), place, path, texts - 1))
            else:
                for found in _found_in(value, is_secret):
                    if found.is_secret:
                        yield path, found.value
                    else:
                        waiting.append((found.value, _Place.ANYWHERE, path, texts - 1))


def _inner_places(value: Any, place: _Place, is_secret: IsSecret) -> Iterator[tuple[Any, Any, _Place]]:
    if isinstance(value, Mapping | _Pairs):
        for key, member, inner in _places(value.items() if isinstance(value, Mapping) else value, place, is_secret):
            if _is_text_with_secret(key):
                yield "...", key, _Place.ANYWHERE
                key = "..."
            yield key, member, inner
    else:
        yield from ((index, item, place) for index, item in enumerate(value))


def _found_in(text: str, is_secret: IsSecret) -> Iterator[Found]:
    """Yield the secrets of a text that is no JSON, and what else in it is to be looked into."""
    found = in_document(text, is_secret) if looks_like_document(text) else None
    if found is not None:
        for entry in found:
            yield entry
            written = text[entry.start : entry.end]
            # As it is written, with quotes doubled or lines folded, a log shows it, too.
            if (entry.is_secret and entry.value not in written) or ("\n" in written and may_hold_secret(entry.value)):
                yield replace(entry, value=written, is_secret=True)
        for comment in comments(text):
            yield from in_words(comment, is_secret)
    else:
        for run in _secret_runs(text, _MOST_TEXTS):
            yield replace(run, value=text[run.start : run.end])
            yield replace(run, is_secret=False)
        yield from (replace(entry, is_secret=False) for entry in _embedded(text))
        yield from in_words(text, is_secret)
        if is_no_sentence(text) and len(text) <= _LONGEST_WHOLE:
            yield Found(0, len(text), text)


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
