"""Texts of the service, made fit to be shown: an error text is free, and can repeat a secret of the request.

Whoever asks the service knows its own requests, and so the secrets to look for. What it does not know it cannot find:
the text of somebody else's job is not shown, if the request of that job can have held a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.core.job import KNOWN_STATUSES, JobRef
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, OPERATIONS
from airflow_provider_amplifybackend.core.secret_forms import written_forms
from airflow_provider_amplifybackend.core.secrets import REDACTED, redact_text, redact_words, secret_values

NOT_SHOWN = "the service's text is not shown here"
# Of a secret that was cut with its text, fewer characters tell nothing.
LEAST_PART = 4
_CUT = re.compile(r"(?<!\.)\.{3}|\u2026|\Z")
_MOST_CUTS = 20  # the last ones of a text
_WORD = re.compile(r"[A-Za-z_]{1,64}")
_KNOWN_WORDS = KNOWN_STATUSES | OPERATIONS.keys()


def may_repeat_secret(operation: str | None) -> bool:
    """Tell whether the text of a job can repeat a secret of its request. Of an unknown operation it can."""
    known = JOB_OPERATIONS.get(operation or "")
    return known is None or known.takes_secrets


class ServiceTexts:
    """The texts of the service that one caller gets, and the secrets that it knows to look for."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._own_jobs: set[str] = set()

    def learn(self, request: Mapping[str, Any]) -> None:
        """Take note of the secrets of a request."""
        self._secrets.update(secret for secret in secret_values(request) if secret.strip())

    def own(self, job_id: str) -> None:
        """Take note of a job whose request is known."""
        self._own_jobs.add(job_id)

    def redacted(self, text: str) -> str:
        """Return a text without the secrets that are known or stand by their name, and the passwords of addresses."""
        if self._secrets:
            text = _without_cut_secret(redact_text(text, self._secrets), self._secrets)
        return without_userinfo(redact_words(text))

    def answer(self, api_operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer whose error texts can be shown."""
        known = OPERATIONS.get(api_operation)
        if known is not None and known.starts_job and answer.get("JobId"):
            self.own(answer["JobId"])
        shown = self._words(answer)
        if isinstance(answer.get("Error"), str):
            shows_job = known is None or known.starts_job or known.resource == "job"
            shown["Error"] = self._job_error({**request, **answer}) if shows_job else self.redacted(answer["Error"])
        if isinstance(answer.get("Jobs"), list):
            shown["Jobs"] = [self._row(request, row) for row in answer["Jobs"]]
        return shown

    def _row(self, request: Mapping[str, Any], row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        if not isinstance(row.get("Error"), str):
            return self._words(row)
        names = {name: request[name] for name in ("AppId", "BackendEnvironmentName") if name in request}
        return {**self._words(row), "Error": self._job_error({**names, **row})}

    def _words(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row whose free texts are redacted; what is one of the words that are decided by stays as it is."""
        free = [name for name in ("Status", "Operation") if isinstance(row.get(name), str)]
        return {**row, **{name: self.redacted(row[name]) for name in free if row[name] not in _KNOWN_WORDS}}

    def _job_error(self, row: Mapping[str, Any]) -> str:
        if not row["Error"] or row.get("JobId") in self._own_jobs or not may_repeat_secret(row.get("Operation")):
            return self.redacted(row["Error"])
        return withheld(row)


def withheld(row: Mapping[str, Any]) -> str:
    """Return what stands in the place of a job's error text that cannot be shown."""
    environment = row.get("BackendEnvironmentName")
    ref = JobRef(str(row.get("AppId")), str(row.get("JobId")), (environment,) if environment else ())
    whose = f"a job of {row['Operation']}" if row.get("Operation") else "a job of an unknown operation"
    return (
        f"[not shown: the text of {whose} can repeat a secret of its request, which this task does not know. "
        f"Read it with: {ref.check_command}]"
    )


def _without_cut_secret(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the beginnings of secrets where it was cut: by us, by the service, or at its end."""
    forms = [form for secret in secrets for form in written_forms(secret)]
    for end in [cut.start() for cut in _CUT.finditer(text)][: -_MOST_CUTS - 1 : -1]:
        longest = max((_overlap(text[:end], form) for form in forms), default=0)
        if longest >= LEAST_PART:
            text = f"{text[: end - longest]}{REDACTED}{text[end:]}"
    return text


def _overlap(text: str, form: str) -> int:
    """Return how many characters of a secret's beginning a text ends with."""
    return next((size for size in range(len(form) - 1, 0, -1) if text.endswith(form[:size])), 0)


def without_texts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer without the service's texts, for whoever knows no secrets at all: the triggerer."""
    bare = {name: value for name, value in answer.items() if name != "Error"}
    for name in ("Status", "Operation"):
        if isinstance(bare.get(name), str) and bare[name] and not _WORD.fullmatch(bare[name]):
            bare[name] = "UNKNOWN"
    if isinstance(bare.get("Jobs"), list):
        bare["Jobs"] = [without_texts(row) if isinstance(row, Mapping) else row for row in bare["Jobs"]]
    return bare
