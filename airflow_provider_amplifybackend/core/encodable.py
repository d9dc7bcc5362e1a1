"""Values and texts of the service, made fit for whatever they pass through: logs, events, XComs, the state store.

The service's answers are JSON, and JSON can say what cannot be written down again: half a surrogate pair (a text that
was cut in the middle of an emoji), a NUL that PostgreSQL refuses, 1e400, a number of a thousand digits, lists nested a
thousand deep. One such value, passed on as it is, fails a task's XCom, and in an event it ends the triggerer together
with every task that waits there. So answers are made encodable where they enter, and nothing behind that has to care.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_amplifybackend.core.timing import http_date

REPLACEMENT = "\ufffd"
# Half surrogate pairs have no UTF-8; PostgreSQL's texts and JSON take no NUL.
_UNFIT = re.compile("[\x00\ud800-\udfff]")
# Airflow's serialization takes dictionaries with these keys for objects of its own, or refuses them.
_RESERVED_KEYS = frozenset({"__classname__", "__data__", "__id__", "__type", "__var", "__version__"})
# Airflow's processes talk msgpack to each other, which has no longer integers.
_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**63 - 1
# Encoders of Python and Airflow give up near a thousand levels; the documents of real environments have about ten.
MAX_DEPTH = 100
TOO_DEEP = f"... [cut: nested more than {MAX_DEPTH} levels deep]"

# Amazon CloudWatch, which holds the logs of Amazon MWAA, takes 256 KiB for one record. An error stands in it up to 3
# times (with its causes), and a character takes up to 12 bytes (an emoji in JSON with ASCII escapes).
MAX_ERROR_TEXT = 7_000
# A text of the service together with our own words around it.
MAX_MESSAGE = 10_000
# A status and an operation are words; they stand in each line of a wait.
MAX_WORD = 256
# A name or an id that is longer than any URL would take.
MAX_NAME = 1_024
# What a caller may use as data (configurations, models, metadata, tokens) is in no such list and never cut.
_LIMITS = {
    "Error": MAX_ERROR_TEXT,
    "Status": MAX_WORD,
    "Operation": MAX_WORD,
    "AppId": MAX_NAME,
    "BackendEnvironmentName": MAX_NAME,
    "BackendEnvironmentList": MAX_NAME,
    "JobId": MAX_NAME,
    "AppName": MAX_NAME,
    "ResourceName": MAX_NAME,
}
_TIMES = frozenset({"CreateTime", "UpdateTime"})
_LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999, the last one that a date can have


def encodable_text(text: str) -> str:
    """Return a text that UTF-8 and PostgreSQL take: what they do not becomes U+FFFD."""
    if text.isascii() and "\0" not in text:  # as good as all of them
        return text
    return _UNFIT.sub(REPLACEMENT, text)


def printable(text: str) -> str:
    """Return a text of one line, in characters that a terminal shows and does not act on."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def shortened(text: str, limit: int) -> str:
    """Return a text of a limited length, which says so if it was cut."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... [cut: {limit:,} of {len(text):,} characters shown]"


def encodable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return a copy of a value that JSON, msgpack and Airflow's serialization take.

    NaN and the infinities become None, as in JavaScript's JSON; integers of more than 64 bits become their digits.
    """
    if isinstance(value, str):
        return encodable_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if _LEAST_INTEGER <= value <= _GREATEST_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping | list | tuple):
        if not depth:
            return TOO_DEEP
        if isinstance(value, Mapping):
            return {_key(key): encodable(member, depth - 1) for key, member in value.items()}
        return [encodable(item, depth - 1) for item in value]
    return encodable_text(str(value))


def _key(key: Any) -> str:
    text = encodable_text(str(key))
    return text.removeprefix("_") if text in _RESERVED_KEYS else text


def as_text(value: Any) -> str:
    """Return a value of the service as a text; what is none is written as JSON."""
    return encodable_text(value) if isinstance(value, str) else json.dumps(encodable(value), ensure_ascii=False)


def encodable_answer(response: Mapping[str, Any], shape: object | None) -> dict[str, Any]:
    """Return an answer in which everything is encodable, and a text is a text.

    botocore hands on whatever JSON stands where the model has a text. Members without a usable value are left out, as
    botocore leaves out those that are null.

    :param shape: The answer's shape in botocore's model.
    """
    members = getattr(shape, "members", {})
    answer = {name: _as_modelled(value, members[name], name) for name, value in response.items() if name in members}
    rest = {name: encodable(value) for name, value in response.items() if name not in members}
    metadata = rest.get("ResponseMetadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("HTTPHeaders"), dict):
        metadata["HTTPHeaders"] = usable_headers(metadata["HTTPHeaders"])
    return {name: value for name, value in answer.items() if value is not None} | rest


def _as_modelled(value: Any, shape: Any, name: str) -> Any:
    """Return a value of a shape; None where there is no usable one."""
    if value is None:
        return None
    if shape.type_name == "string":
        return _member_text(value, name)
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {key: _as_modelled(member, shape.members[key], key) for key, member in value.items()}
        return {key: member for key, member in members.items() if member is not None}
    if shape.type_name == "list" and isinstance(value, list):
        items = (_as_modelled(item, shape.member, name) for item in value)
        return [item for item in items if item is not None]
    return encodable(value)


def _member_text(value: Any, name: str) -> str | None:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    text = as_text(value)
    if name in _TIMES and not _may_be_a_time(text):
        return None
    return shortened(text, _LIMITS[name]) if name in _LIMITS else text


def _may_be_a_time(text: str) -> bool:
    """Tell whether a text is not a number too large for epoch milliseconds."""
    digits = text.strip()
    if not digits.isdecimal():
        return True
    return len(digits) <= len(str(_LAST_MILLISECOND)) and int(digits) <= _LAST_MILLISECOND


def usable_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of an answer, without a date that is beyond all dates: whoever reads it expects ValueError."""
    usable: dict[str, Any] = encodable(headers)
    try:
        http_date(usable.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return usable
    except (OverflowError, IndexError):
        del usable["date"]
    return usable


def fit_to_log(error: BaseException | None, redacted: Callable[[str], str]) -> bool:
    """Tell whether an exception, with all that it came from, can be logged as it is.

    :param redacted: Returns a text without its secrets.
    """
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None:
            continue
        # A log shows notes and the members of a group as well.
        text = "\n".join([str(error), *map(str, getattr(error, "__notes__", ()))])
        if len(text) > MAX_MESSAGE or _UNFIT.search(text) or redacted(text) != text:
            return False
        waiting += getattr(error, "exceptions", ())
        waiting.append(error.__cause__ or (None if error.__suppress_context__ else error.__context__))
    return True
