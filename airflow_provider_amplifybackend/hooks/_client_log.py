"""The log of a client's calls: one line for each at DEBUG, without secrets.

botocore's own DEBUG lines have every request and answer with its body. A secret in them is masked before botocore
writes them, so that nobody who looks for a fault at DEBUG publishes a key.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend._compat import mask_secret
from airflow_provider_amplifybackend.core.encodable import as_text, encodable
from airflow_provider_amplifybackend.core.secrets import member_names, redact_secrets, secret_values, written_forms

log = logging.getLogger(__name__)

_CALL = "amplifybackend_call"


def watch(client: Any, *, masks: bool = True) -> None:
    """Log the calls of a client.

    :param masks: Whether to mask secrets. In a triggerer that would block its loop, and nothing that is asked there
        has any.
    """
    events = client.meta.events
    if masks:
        events.register("before-parameter-build.amplifybackend", _mask_request)
        events.register("before-parse.amplifybackend", _mask_answer)
    events.register("before-parameter-build.amplifybackend", _note_call)
    events.register("after-call.amplifybackend", _log_answer)
    events.register("after-call-error.amplifybackend", _log_error)


def _mask(value: Any) -> None:
    for secret in secret_values(value):
        for text in written_forms(secret):
            mask_secret(text)


def _mask_request(params: Any, **_: Any) -> None:
    _mask(params)


def _mask_answer(response_dict: Mapping[str, Any], **_: Any) -> None:
    try:
        body = encodable(json.loads(response_dict["body"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return
    _mask(member_names(body))


def _note_call(params: Any, context: dict[str, Any], **_: Any) -> None:
    if log.isEnabledFor(logging.DEBUG):
        context[_CALL] = (redact_secrets(params), time.monotonic())


def _log_answer(parsed: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if _CALL in context:
        request, begun = context.pop(_CALL)
        about = encodable(parsed.get("ResponseMetadata", {}))
        log.debug(
            "%s %s: %s%s in %.3f s, %s retries, request id %s",
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
