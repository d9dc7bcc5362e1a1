"""The log of a client's calls: one line for each at DEBUG, without secrets.

botocore's own DEBUG lines have every request and answer with its body. A secret in them is masked before botocore
writes them, and a body with a secret is not shown at all: the masker of Airflow 2 does not look into `bytes`, and no
masker takes a text of a few characters for a secret. Nor is a body that says why something failed: such a text can
repeat a secret that only the task knows which sent it. So nobody who looks for a fault at DEBUG publishes a key.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend._masking import mask
from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.core.encodable import as_text, encodable
from airflow_provider_amplifybackend.core.secrets import (
    REDACTED,
    is_masked_name,
    member_names,
    redact_secrets,
    secret_values,
)

log = logging.getLogger(__name__)

_CALL = "amplifybackend_call"
_LINE = "%s %s: %s%s in %.3f s, %s retries, request id %s"
# botocore's loggers that are given more than texts: requests, which show their URL, and dictionaries.
_WORDY = ("botocore.endpoint", "botocore.parsers")
# Those that write an exception down: its text has the address, with whatever is in it.
_COMPLAINING = (
    "botocore.httpsession",
    "botocore.retryhandler",
    "botocore.credentials",
    "botocore.tokens",
    "botocore.utils",
    "aiobotocore.credentials",
    "aiobotocore.tokens",
    "aiobotocore.utils",
)
# Those that show temporary credentials: of the connection, in a request, and of a role, in the answer of STS. And what
# STS is asked with for a role.
_CREDENTIAL = re.compile(
    r"(x-amz-security-token['\"]?: ?b?['\"]?|<(?:SessionToken|SecretAccessKey)>|['\"]ExternalId['\"]: ?['\"])"
    r"[\w+/=%.,@:-]{2,}",
    re.IGNORECASE,
)
_NAMES_CREDENTIAL = ("oken", "SecretAccessKey", "ExternalId")


class _Formatted(logging.Filter):
    """Puts a line together before it is masked: Airflow 2 masks texts, and no object that shows itself as one.

    And takes credentials out of it: nobody tells the masker of those that botocore gets by itself. An exception is put
    into the line: Airflow 3.0 looks for no secret in one, and what cannot be reached is named with its password there,
    or with the session in its address.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            text = f"{record.getMessage()} {type(error).__name__}: {without_userinfo(as_text(error))}"
            record.msg, record.args, record.exc_info, record.exc_text = text, (), None, None
        if record.args:
            record.msg, record.args = record.getMessage(), ()
        if isinstance(record.msg, str) and any(name in record.msg for name in _NAMES_CREDENTIAL):
            record.msg = _CREDENTIAL.sub(rf"\1{REDACTED}", record.msg)
        return True


_FORMATTED = _Formatted()


def guard_log() -> None:
    """Let no credential into botocore's DEBUG lines: before a session is made, which asks STS for those of a role."""
    for name in (*_WORDY, *_COMPLAINING, "botocore.auth"):
        logging.getLogger(name).addFilter(_FORMATTED)


def watch(client: Any, *, masks: bool = True) -> None:
    """Log the calls of a client.

    :param masks: Whether to mask secrets. In a triggerer that would block its loop, and nothing that is asked there
        has any.
    """
    events = client.meta.events
    if masks:
        events.register("before-parameter-build.amplifybackend", _mask_request)
        events.register("before-call.amplifybackend", _hide_request)
        events.register("before-parse.amplifybackend", _mask_answer)
        events.register("before-parse.amplifybackend", _hide_answer)
    events.register("before-parse.amplifybackend", _hide_text)
    events.register("before-parameter-build.amplifybackend", _note_call)
    events.register("after-call.amplifybackend", _log_answer)
    events.register("after-call-error.amplifybackend", _log_error)


def hide_bodies(client: Any) -> None:
    """Let no answer of a client's service into botocore's lines: of what the guard reads, it needs the least.

    An Amplify app has environment variables, a stack parameters and outputs, with whatever secrets people keep there.
    """
    client.meta.events.register("before-parse", _hide_whole)


def _hide_whole(response_dict: dict[str, Any], **_: Any) -> None:
    body = response_dict.get("body")
    if isinstance(body, bytes):
        response_dict["body"] = _HiddenBody(body)


def _mask_request(params: Any, **_: Any) -> None:
    mask(params)


def _mask_answer(response_dict: Mapping[str, Any], **_: Any) -> None:
    try:
        body = encodable(json.loads(response_dict["body"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return
    mask(member_names(body))


class _HiddenBody(bytes):
    """A body that is sent or parsed like any other, while a log has nothing of it but its length."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes that can hold a secret, not shown>"

    __str__ = __repr__


def _hide_request(params: dict[str, Any], **_: Any) -> None:
    _hide_body(params)


def _hide_answer(response_dict: dict[str, Any], **_: Any) -> None:
    _hide_body(response_dict)


def _hide_text(response_dict: dict[str, Any], **_: Any) -> None:
    """Hide an error, and an answer with the text of a failed job. It must cost nothing: a triggerer's loop does it."""
    body = response_dict.get("body")
    if isinstance(body, bytes) and (response_dict.get("status_code", 200) >= 300 or b'"error"' in body.lower()):
        response_dict["body"] = _HiddenBody(body)


def _hide_body(message: dict[str, Any]) -> None:
    if not any(logging.getLogger(name).isEnabledFor(logging.DEBUG) for name in _WORDY):
        return  # nobody writes bodies down, and to look into each costs more than the rest of the log
    body = message.get("body")
    if isinstance(body, bytes) and next(secret_values(body.decode(errors="replace")), None):
        message["body"] = _HiddenBody(body)


def _note_call(params: Any, context: dict[str, Any], **_: Any) -> None:
    if log.isEnabledFor(logging.DEBUG):
        context[_CALL] = (_shown(params), time.monotonic())


def _shown(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as the line shows it, without its secrets and without the session that results carry."""
    return {name: REDACTED if is_masked_name(name) else redact_secrets(value) for name, value in params.items()}


def log_read(operation: str, request: Mapping[str, Any], status: int, headers: Mapping[str, str], took: float) -> None:
    """Log a read that was not made by botocore like one that was."""
    if log.isEnabledFor(logging.DEBUG):
        request_id = headers.get("x-amzn-RequestId")
        log.debug(_LINE, operation, _shown(request), status, "", took, 0, encodable(request_id))


def _log_answer(parsed: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if _CALL in context:
        request, begun = context.pop(_CALL)
        about = encodable(parsed.get("ResponseMetadata", {}))
        log.debug(
            _LINE,
            model.name,
            request,
            about.get("HTTPStatusCode"),
            f" {as_text(parsed['Error'].get('Code') or '')}" if isinstance(parsed.get("Error"), Mapping) else "",
            time.monotonic() - begun,
            about.get("RetryAttempts"),
            about.get("RequestId"),
        )


def _log_error(exception: Exception, context: dict[str, Any], **_: Any) -> None:
    if _CALL in context:
        request, begun = context.pop(_CALL)
        log.debug("%s: %s after %.3f s", request, type(exception).__name__, time.monotonic() - begun)
