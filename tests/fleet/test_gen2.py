"""The table of AWS' assessment: what it says of real entries of AmplifyMetaConfig."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_amplifybackend.fleet import gen2
from airflow_provider_amplifybackend.fleet.gen2 import Readiness, Support, assess, readiness, transformer_version

YES, NO, NA = Support.SUPPORTED, Support.UNSUPPORTED, Support.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("category", "entry", "expected"),
    [
        ("auth", {"service": "Cognito"}, (YES, YES)),
        ("auth", {"service": "Cognito", "serviceType": "imported"}, (YES, YES)),
        ("auth", {"service": "Cognito-UserPool-Groups"}, (YES, YES)),
        ("storage", {"service": "S3"}, (YES, YES)),
        ("storage", {"service": "S3", "serviceType": "imported"}, (NO, NO)),
        ("storage", {"service": "DynamoDB"}, (YES, YES)),
        ("api", {"service": "AppSync"}, (YES, NA)),
        ("api", {"service": "API Gateway"}, (YES, NA)),
        ("analytics", {"service": "Kinesis"}, (YES, YES)),
        ("analytics", {"service": "Pinpoint"}, (NO, NO)),
        ("function", {"service": "Lambda"}, (YES, NA)),
        ("function", {"service": "LambdaLayer"}, (NO, NO)),
        ("geo", {"service": "GeofenceCollection"}, (YES, NO)),
        ("custom", {"service": "customCDK"}, (YES, YES)),
        ("custom", {"service": "customCloudformation"}, (NO, NO)),
        ("interactions", {"service": "Lex"}, (NO, NO)),
        ("predictions", {}, (NO, NO)),
    ],
)
def test_a_resource_is_judged_as_the_tool_does(category: str, entry: dict[str, Any], expected: Any) -> None:
    verdict = assess(category, entry)
    assert (verdict.generate, verdict.refactor) == expected


def test_an_api_of_the_first_transformer_is_not_generated() -> None:
    flags = {"features": {"graphqltransformer": {"transformerversion": 1}}}
    for given in (flags, json.dumps(flags)):
        assert assess("api", {"service": "AppSync"}, given) == gen2.OLD_TRANSFORMER
    assert assess("storage", {"service": "S3"}, flags).is_ready


@pytest.mark.parametrize("flags", [None, "", "{", [], {"features": []}, {"features": {"graphqltransformer": 1}}])
def test_flags_that_say_nothing_are_no_version(flags: Any) -> None:
    assert transformer_version(flags) is None


def test_what_is_left_to_a_person_is_noted_and_no_reason_against() -> None:
    entry = {"service": "Cognito", "frontendAuthConfig": {"socialProviders": ["GOOGLE", "APPLE"]}}
    verdict = assess("auth", entry)
    assert verdict.is_ready
    assert verdict.note == "Google is not moved; Sign in with Apple is to be set by hand"
    modes = {"defaultAuthentication": {"authenticationType": "OPENID_CONNECT"}}
    assert "OpenID Connect" in assess("api", {"service": "AppSync", "output": {"authConfig": modes}}).note


@pytest.mark.parametrize("odd", [{"service": 3}, {"service": "Cognito", "frontendAuthConfig": "x"}, {"output": []}])
def test_an_entry_of_an_odd_form_is_judged_all_the_same(odd: dict[str, Any]) -> None:
    for category in ("auth", "api", "storage"):
        assert assess(category, odd).generate in Support


def test_one_resource_that_is_not_taken_is_work_for_a_person() -> None:
    ready, blocked = gen2.Verdict(YES, NA), gen2.Verdict(YES, NO)
    assert readiness([]) is Readiness.NOTHING
    assert readiness([ready, ready]) is Readiness.READY
    assert readiness([ready, blocked]) is Readiness.BY_HAND
