"""The guard of a hook on random fleets, with random protections, signs, denials and modes, against a plain oracle."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.exceptions import BackendGuardError
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

APP = "d1fleet"
LOCK = {"Statement": [{"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}
NAMES = ("production", "Production", "ｑａ", "qa", "pr1")
PROTECTIONS = ("production", "prod*", "*/QA", f"{APP}/*", f"{APP}/pr?", "other/*", "?roduction", "nothing")
OF_APP = {"GetApp": "amplify", "ListStacks": "cloudformation"}
OF_STACK = {"DescribeStacks": "cloudformation", "GetStackPolicy": "cloudformation"}
READS = OF_APP | OF_STACK


@dataclass(frozen=True)
class Fleet:
    """An app as it is, and what the deployment says of it."""

    environments: dict[str, set[str]]
    """By name, its signs."""
    variable: str | None
    is_held: bool
    denied: set[str]
    protections: list[str]
    mode: str
    seeds: dict[str, Any] = field(default_factory=lambda: {"protected": {"termination_protection": True},
                                                           "locked": {"stack_policy": LOCK}})  # fmt: skip


FLEETS = st.builds(
    Fleet,
    environments=st.dictionaries(
        st.sampled_from(NAMES), st.sets(st.sampled_from(["protected", "locked"]), max_size=1), min_size=1, max_size=3
    ),
    variable=st.none() | st.none() | st.sampled_from(NAMES),
    is_held=st.sampled_from([False, False, False, True]),
    denied=st.sets(st.sampled_from(sorted(READS)), max_size=2),
    protections=st.lists(st.sampled_from(PROTECTIONS), max_size=2),
    mode=st.sampled_from(["off", "auto", "require"]),
)


def plain(name: str) -> str:
    return name.replace("ｑａ", "qa").casefold()


def oracle(fleet: Fleet, operation: str, named: str) -> bool:
    """Tell whether an operation is refused, by the rules of docs/guard.md in their order."""
    known = OPERATIONS[operation]
    if known.only_reads:
        return False
    reached = [named] if known.environment else list(fleet.environments) if operation == "RemoveAllBackends" else []
    for entry in fleet.protections:
        app, _, environment = entry.rpartition("/")
        if app not in ("", "*", APP):
            continue
        if environment == "*" or any(fnmatch.fnmatchcase(plain(name), plain(environment)) for name in reached):
            return True
    if fleet.mode == "off" or not known.may_disturb_a_migration:
        return False
    found = fleet.is_held and "ListStacks" not in fleet.denied
    if fleet.variable and "GetApp" not in fleet.denied:
        found |= not known.environment or plain(fleet.variable) == plain(named)
    for name in reached:
        signs = fleet.environments[name]
        found |= "protected" in signs and "DescribeStacks" not in fleet.denied
        found |= "locked" in signs and "GetStackPolicy" not in fleet.denied
    needed = {*OF_APP, *(OF_STACK if reached else ())}
    return bool(found or (fleet.mode == "require" and fleet.denied & needed))


def build(service: LocalAmplifyBackend, fleet: Fleet) -> None:
    service.control.reset()
    environments = []
    for name, signs in fleet.environments.items():
        seeds = [fleet.seeds[sign] for sign in signs]
        environments.append({"name": name, **{key: value for seed in seeds for key, value in seed.items()}})
    variables = {"GEN2_MIGRATION_ENVIRONMENT_NAME": fleet.variable} if fleet.variable else {}
    held = [{"name": f"amplify-{APP}-main-branch-1-auth-holding"}] if fleet.is_held else []
    service.control.seed(apps=[{"app_id": APP, "variables": variables, "environments": environments}], stacks=held)
    for operation in fleet.denied:
        service.control.add_fault(operation, kind="denied", service=READS[operation])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fleet=FLEETS, operation=st.sampled_from(sorted(OPERATIONS)), data=st.data())
def test_the_guard_refuses_what_a_plain_reading_of_its_rules_refuses(
    service: LocalAmplifyBackend, fleet: Fleet, operation: str, data: st.DataObject
) -> None:
    named = data.draw(st.sampled_from(sorted(fleet.environments)))
    known = OPERATIONS[operation]
    request = {"AppId": APP} | ({known.environment: named} if known.environment else {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__AMPLIFYBACKEND__PROTECTED", ",".join(fleet.protections))
        patch.setenv("AIRFLOW__AMPLIFYBACKEND__GUARD", fleet.mode)
        build(service, fleet)
        try:
            AmplifyBackendHook().check_guard(operation, request)
        except BackendGuardError:
            is_refused = True
        else:
            is_refused = False
    assert is_refused == oracle(fleet, operation, named)
