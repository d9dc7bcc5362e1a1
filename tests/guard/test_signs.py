"""What the guard makes of what the services say: each sign, each absence, and each thing that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.requests import drive
from airflow_provider_amplifybackend.guard.signs import (
    STACK_STATUSES,
    Ask,
    Facts,
    UnreadableError,
    app_signs,
    environment_signs,
    is_empty,
    is_holding_stack,
    is_lock,
)
from airflow_provider_amplifybackend.guard.verdict import Mode, by_signs

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LOCK = {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}
META = json.dumps({"providers": {"awscloudformation": {"StackName": "amplify-shop-main-1"}}, "auth": {"a": {}}})
DENIED = "AccessDeniedException"
# What the real service has answered for an environment that is gone, and answers for other things, too.
GONE_OR_REFUSED = "ValidationException"


def answers(**given: Any) -> Callable[[Ask], Mapping[str, Any]]:
    """Services that know these answers, of which an error's code stands for a refusal, and None for "not found"."""
    known: dict[str, Any] = {
        "GetApp": {"app": {"environmentVariables": {}}},
        "ListStacks": {"StackSummaries": []},
        "GetBackend": {"AmplifyMetaConfig": META},
        "DescribeStacks": {"Stacks": [{"EnableTerminationProtection": False}]},
        "GetStackPolicy": {},
        "GetBackendEnvironment": {"backendEnvironment": {"createTime": NOW, "stackName": "amplify-shop-main-1"}},
    } | given

    def reply(ask: Ask) -> Mapping[str, Any]:
        found = known[ask.operation]
        if found is None or isinstance(found, str):
            is_missing = found is None or found == GONE_OR_REFUSED
            raise UnreadableError(ask, found or "NotFound", is_missing=is_missing)
        answer: Mapping[str, Any] = found
        return answer

    return reply


def facts_of_app(environment: str | None = "main", **given: Any) -> Facts:
    facts = Facts(now=NOW)
    drive(app_signs("d1", facts, environment), answers(**given), thrown_in=(UnreadableError,))
    return facts


def facts_of_environment(wants_age: bool = False, **given: Any) -> Facts:
    facts = Facts(now=NOW)
    asks = environment_signs("d1", "main", facts, wants_age=wants_age)
    drive(asks, answers(**given), thrown_in=(UnreadableError,))
    return facts


def refusals(facts: Facts) -> list[GuardRefusal]:
    return [sign.refusal for sign in facts.signs]


def migrating(name: str) -> dict[str, Any]:
    return {"app": {"environmentVariables": {"GEN2_MIGRATION_ENVIRONMENT_NAME": name}}}


def test_an_ordinary_environment_shows_no_sign() -> None:
    assert (refusals(facts_of_app()), facts_of_app().unreadable) == ([], [])
    facts = facts_of_environment()
    assert (refusals(facts), facts.unreadable, facts.is_empty) == ([], [], False)


@pytest.mark.parametrize("name", ["main", "MAIN", "ma\u200bin"])
def test_the_variable_that_names_the_environment_is_a_sign(name: str) -> None:
    assert refusals(facts_of_app(GetApp=migrating(name))) == [GuardRefusal.MIGRATING]


def test_the_variable_that_names_another_environment_is_none() -> None:
    assert refusals(facts_of_app(GetApp=migrating("staging"))) == []


def test_for_the_app_itself_any_migration_is_a_sign() -> None:
    assert refusals(facts_of_app(None, GetApp=migrating("staging"))) == [GuardRefusal.MIGRATING]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("amplify-d1-gen2main-branch-abc-auth-holding", True),
        ("amplify-D1-gen2main-branch-abc-auth-HOLDING", True),
        ("d1-holding", True),
        ("amplify-d12-gen2main-branch-abc-auth-holding", False),
        ("amplify-d1-gen2main-branch-abc-auth", False),
        ("amplify-d1-holding-auth", False),
        ("myholding", False),
    ],
)
def test_a_holding_stack_has_the_id_of_the_app_and_the_suffix(name: str, is_one: bool) -> None:
    assert is_holding_stack(name, "d1") is is_one


def test_a_holding_stack_is_found_on_any_page() -> None:
    pages: Iterator[Mapping[str, Any]] = iter(
        [
            {"StackSummaries": [{"StackName": "other"}], "NextToken": "2"},
            {"StackSummaries": [{"StackName": "amplify-d1-x-holding"}]},
        ]
    )
    facts = Facts(now=NOW)

    def answer(ask: Ask) -> Mapping[str, Any]:
        return next(pages) if ask.operation == "ListStacks" else {}

    drive(app_signs("d1", facts, "main"), answer, thrown_in=(UnreadableError,))
    assert refusals(facts) == [GuardRefusal.HOLDING_STACK]


def test_a_page_that_leads_back_ends_the_list() -> None:
    facts = facts_of_app(ListStacks={"StackSummaries": [], "NextToken": "again"})
    assert refusals(facts) == []


def test_every_status_but_that_of_a_deleted_stack_is_asked_for() -> None:
    import boto3

    client = boto3.client("cloudformation", region_name="us-east-1")
    known = client.meta.service_model.shape_for("StackStatus").enum
    assert {*STACK_STATUSES} == {*known} - {"DELETE_COMPLETE"}


@pytest.mark.parametrize(
    ("statements", "is_one"),
    [
        ([LOCK], True),
        ([{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}, LOCK], True),
        (LOCK, True),
        ([{**LOCK, "Action": ["Update:Modify", "Update:*"]}], True),
        ([{**LOCK, "Resource": ["LogicalResourceId/*"]}], True),
        ([{**LOCK, "Effect": "Allow"}], False),
        ([{**LOCK, "Action": "Update:Replace"}], False),
        ([{**LOCK, "Resource": "LogicalResourceId/Pool"}], False),
        ([], False),
        (None, False),
        (["Deny"], False),
    ],
)
def test_the_lock_is_looked_for_among_the_statements(statements: Any, is_one: bool) -> None:
    assert is_lock(json.dumps({"Statement": statements})) is is_one


@pytest.mark.parametrize("policy", ["", "Deny", "[]", "7", "[" * 100_000])
def test_a_policy_that_is_none_cannot_be_read(policy: str) -> None:
    assert is_lock(policy) is None


def test_each_sign_of_the_root_stack_is_found() -> None:
    facts = facts_of_environment(
        DescribeStacks={"Stacks": [{"EnableTerminationProtection": True}]},
        GetStackPolicy={"StackPolicyBody": json.dumps({"Statement": [LOCK]})},
    )
    assert refusals(facts) == [GuardRefusal.TERMINATION_PROTECTION, GuardRefusal.LOCKED]


def test_a_stack_that_is_gone_has_no_signs() -> None:
    facts = facts_of_environment(DescribeStacks=None, GetStackPolicy=None)
    assert (refusals(facts), facts.unreadable) == ([], [])


def test_an_environment_that_is_gone_has_no_signs() -> None:
    facts = facts_of_environment(GetBackend=None, DescribeStacks=DENIED)
    assert (facts.exists, facts.unreadable) == (False, [])


def test_an_answer_that_can_mean_gone_does_if_aws_amplify_has_no_such_environment_either() -> None:
    facts = facts_of_environment(GetBackend=GONE_OR_REFUSED, GetBackendEnvironment=None, DescribeStacks=DENIED)
    assert (facts.exists, facts.unreadable) == (False, [])


@pytest.mark.parametrize("wants_age", [True, False])
def test_where_aws_amplify_still_has_it_the_signs_are_read(wants_age: bool) -> None:
    facts = facts_of_environment(
        wants_age,
        GetBackend=GONE_OR_REFUSED,
        DescribeStacks={"Stacks": [{"EnableTerminationProtection": True}]},
        GetStackPolicy={"StackPolicyBody": json.dumps({"Statement": [LOCK]})},
    )
    assert refusals(facts) == [GuardRefusal.TERMINATION_PROTECTION, GuardRefusal.LOCKED]
    assert (facts.exists, facts.created, facts.is_empty, facts.unreadable) == (True, NOW, None, [])


def test_where_nobody_can_ask_aws_amplify_the_signs_cannot_be_read() -> None:
    facts = facts_of_environment(GetBackend=GONE_OR_REFUSED, GetBackendEnvironment=DENIED)
    assert facts.exists
    assert facts.unreadable == [
        "amplify:GetBackendEnvironment (AccessDeniedException)",
        "the root stack of environment main, which nothing names",
    ]


def test_whatever_cannot_be_read_is_named() -> None:
    assert facts_of_app(GetApp=DENIED, ListStacks=DENIED).unreadable == [
        "amplify:GetApp (AccessDeniedException)",
        "cloudformation:ListStacks (AccessDeniedException)",
    ]
    assert facts_of_environment(DescribeStacks=DENIED, GetStackPolicy={"StackPolicyBody": "{"}).unreadable == [
        "cloudformation:DescribeStacks (AccessDeniedException)",
        "the policy of stack amplify-shop-main-1, which is not valid JSON",
    ]


def test_where_the_configuration_names_no_stack_amplify_does() -> None:
    facts = facts_of_environment(GetBackend={"AmplifyMetaConfig": "{}"})
    assert (facts.stack_name, facts.unreadable, facts.is_empty) == ("amplify-shop-main-1", [], True)


def test_a_stack_that_nothing_names_cannot_be_read() -> None:
    facts = facts_of_environment(GetBackend={"AmplifyMetaConfig": "{}"}, GetBackendEnvironment=None)
    assert facts.unreadable == ["the root stack of environment main, which nothing names"]


def test_the_age_is_taken_by_the_clock_of_the_service() -> None:
    answer = {
        "backendEnvironment": {"createTime": NOW},
        "ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 29 Nov 2026 12:00:00 GMT"}},
    }
    facts = facts_of_environment(wants_age=True, GetBackendEnvironment=answer)
    assert facts.created == NOW
    assert (facts.now - NOW).days == 1


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, True),
        ({"providers": {"x": 1}}, True),
        ({"auth": {}}, True),
        ({"auth": {"a": {}}}, False),
        (None, None),
        ("x", None),
    ],
)
def test_an_environment_is_empty_without_resources(meta: Any, expected: bool | None) -> None:
    assert is_empty(meta) is expected


@pytest.mark.parametrize(
    ("mode", "has_sign", "has_unreadable", "reason"),
    [
        (Mode.AUTO, True, False, GuardRefusal.MIGRATING),
        (Mode.AUTO, False, True, None),
        (Mode.AUTO, False, False, None),
        (Mode.REQUIRE, True, True, GuardRefusal.MIGRATING),
        (Mode.REQUIRE, False, True, GuardRefusal.UNREADABLE_SIGN),
        (Mode.REQUIRE, False, False, None),
        (Mode.OFF, True, True, None),
    ],
)
def test_the_mode_decides_what_a_sign_is_worth(
    mode: Mode, has_sign: bool, has_unreadable: bool, reason: GuardRefusal | None
) -> None:
    facts = facts_of_app(GetApp=migrating("main" if has_sign else "other"), ListStacks=DENIED if has_unreadable else {})
    found = by_signs("environment 'main'", facts, mode)
    assert (found.reason if found else None) is reason


def test_modes_are_ordered_by_strictness() -> None:
    assert Mode.REQUIRE.is_stricter_than(Mode.AUTO)
    assert Mode.AUTO.is_stricter_than(Mode.OFF)
    assert not Mode.AUTO.is_stricter_than(Mode.AUTO)
