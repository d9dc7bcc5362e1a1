"""Error texts of the service: without the secrets that the caller knows, and not at all where it cannot know them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.encodable import fit_to_log
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS
from airflow_provider_amplifybackend.core.secrets import SECRET_MEMBERS
from airflow_provider_amplifybackend.core.service_text import ServiceTexts, may_repeat_secret, without_texts
from airflow_provider_amplifybackend.parameters.service_model import service_model

SECRET = "hush-<7>-'x'"
NAMES = {"AppId": "d1", "BackendEnvironmentName": "staging"}


def row(operation: str | None, job_id: str = "j", **more: Any) -> dict[str, Any]:
    named = {"Operation": operation} if operation else {}
    return {**NAMES, "JobId": job_id, "Status": "FAILED", "Error": f"cannot use {SECRET}", **named, **more}


def members(shape: Any, seen: tuple[str, ...] = ()) -> set[str]:
    found: set[str] = set()
    for name, member in (getattr(shape, "members", None) or {}).items():
        if name not in seen:
            found |= {name} | members(member, (*seen, name))
    return found


@pytest.mark.parametrize("operation", JOB_OPERATIONS)
def test_the_operations_that_take_secrets_are_those_of_the_model(operation: str) -> None:
    takes = bool(members(service_model().operation_model(operation).input_shape) & SECRET_MEMBERS)
    assert may_repeat_secret(operation) is takes


@pytest.mark.parametrize("operation", [None, "", "Brew", "GetBackend"])
def test_a_job_of_an_unknown_operation_may_repeat_a_secret(operation: str | None) -> None:
    assert may_repeat_secret(operation)


@pytest.mark.parametrize("operation", ["CreateBackendAuth", "UpdateBackendAuth", "SomethingNew", None])
def test_the_text_of_somebody_elses_job_is_not_shown_and_the_command_is(operation: str | None) -> None:
    texts = ServiceTexts()
    one = texts.answer("GetBackendJob", NAMES | {"JobId": "j"}, row(operation))
    listed = texts.answer("ListBackendJobs", NAMES, {"Jobs": [row(operation)]})["Jobs"][0]
    updated = texts.answer("UpdateBackendJob", NAMES | {"JobId": "j"}, row(operation))
    for shown in (one, listed, updated):
        assert shown["Error"].startswith("[not shown: ")
        assert SECRET not in json.dumps(shown)
        assert (
            "aws amplifybackend get-backend-job --app-id d1 --backend-environment-name staging --job-id j"
            in (shown["Error"])
        )
        assert shown["Status"] == "FAILED"


def test_the_text_of_a_job_that_takes_no_secret_is_shown() -> None:
    assert ServiceTexts().answer("GetBackendJob", NAMES, row("CloneBackend"))["Error"].endswith(SECRET)


def test_the_text_of_an_own_job_is_shown_without_the_secrets_of_its_request() -> None:
    texts = ServiceTexts()
    texts.learn({"ResourceConfig": {"ClientSecret": SECRET}})
    texts.answer("CreateBackendAuth", NAMES, {**NAMES, "JobId": "mine", "Status": "PENDING"})
    assert texts.answer("GetBackendJob", NAMES, row("CreateBackendAuth", "mine"))["Error"] == "cannot use ***"
    assert texts.answer("GetBackendJob", NAMES, row("CreateBackendAuth", "theirs"))["Error"].startswith("[not shown")


def test_words_that_are_decided_by_stay_and_others_are_redacted() -> None:
    texts = ServiceTexts()
    texts.learn({"ClientSecret": "FAILED"})
    texts.learn({"ClientSecret": "BREWED"})
    assert texts.answer("GetBackendJob", NAMES, row("CloneBackend", Error=""))["Status"] == "FAILED"
    assert texts.answer("GetBackendJob", NAMES, row("CloneBackend", Status="BREWED", Error=""))["Status"] == "***"


@given(secret=st.text("abcXYZ019-_/+=<>'\"&", min_size=12, max_size=60), cut=st.integers(4, 60))
def test_a_secret_that_was_cut_with_its_text_is_not_shown_in_part(secret: str, cut: int) -> None:
    texts = ServiceTexts()
    texts.learn({"ClientSecret": secret})
    part = secret[: min(cut, len(secret) - 1)]
    shown = texts.redacted(f"no: {part}... [cut: 7,000 of 80,000 characters shown]")
    assert part not in shown
    assert shown.endswith("***... [cut: 7,000 of 80,000 characters shown]")


@pytest.mark.parametrize("cut", ["", "...", "... is too long", "\u2026' is too long", "...' and 'abc..."])
def test_a_secret_that_the_service_has_cut_is_not_shown_in_part(cut: str) -> None:
    texts = ServiceTexts()
    texts.learn({"ClientSecret": "GOCSPX-abcdefghij"})
    assert texts.redacted(f"no: GOCSPX-abc{cut}") == f"no: ***{cut}"


def test_a_triggerer_gets_no_text() -> None:
    answer = without_texts({"Jobs": [row("CloneBackend"), row("x " + SECRET, Status="oh " + SECRET)], "Error": SECRET})
    assert SECRET not in json.dumps(answer)
    assert [job["Status"] for job in answer["Jobs"]] == ["FAILED", "UNKNOWN"]


def test_a_secret_that_nobody_knows_is_taken_out_where_it_stands_by_its_name() -> None:
    """Of an imported user pool, for example, whose client's secret the request does not hold."""
    said = 'CREATE_FAILED HostedUIProviders\ninvalid: {"AppClientSecret": "hush"} of client web\nnextToken: 5'
    texts = ServiceTexts()
    texts.own("j")
    assert texts.answer("GetBackendJob", {}, row("ImportBackendAuth", Error=said))["Error"] == said.replace(
        "hush", "***"
    )


def noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


HIDING: dict[str, Callable[[str], Exception]] = {
    "its text": ValueError,
    "a note": lambda text: noted(ValueError("oh"), text),
    "its cause": lambda text: caused(ValueError("oh"), ValueError(text)),
    "a note of its cause": lambda text: caused(ValueError("oh"), noted(ValueError("ah"), text)),
    "a member of a group": lambda text: ExceptionGroup("oh", [ValueError("ah"), ExceptionGroup("o", [OSError(text)])]),
    "the cause of a member": lambda text: ExceptionGroup("oh", [caused(ValueError("ah"), OSError(text))]),
}


@pytest.mark.parametrize("where", HIDING)
def test_an_exception_is_not_logged_as_it_is_wherever_a_log_would_show_a_secret_of_it(where: str) -> None:
    texts = ServiceTexts()
    texts.learn({"ClientSecret": SECRET})
    assert SECRET in "".join(traceback.format_exception(HIDING[where](SECRET)))
    assert not fit_to_log(HIDING[where](f"no client {SECRET}"), texts.redacted)
    assert fit_to_log(HIDING[where]("no client"), texts.redacted)
