"""The one table of operations, compared with botocore's model of the service."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.core.operations import CATEGORIES, JOB_OPERATIONS, OPERATIONS, Effect, Operation
from airflow_provider_amplifybackend.parameters import service_model

EFFECTS = {
    **dict.fromkeys(("Get", "List"), Effect.READS),
    **dict.fromkeys(("Clone", "Create", "Import"), Effect.CREATES),
    **dict.fromkeys(("Generate", "Update"), Effect.CHANGES),
    **dict.fromkeys(("Delete", "Remove"), Effect.REMOVES),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))


def members(operation: str, of: str = "input") -> set[str]:
    shape = getattr(service_model.service_model().operation_model(operation), f"{of}_shape")
    return set(shape.members) if shape else set()


def test_every_operation_of_the_api_is_classified() -> None:
    assert set(OPERATIONS) == set(service_model.operation_names())


@every_operation
def test_its_name_tells_its_effect(operation: Operation) -> None:
    [effect] = [effect for verb, effect in EFFECTS.items() if operation.name.startswith(verb)]
    assert operation.effect is effect
    assert operation.only_reads is (effect is Effect.READS)


@every_operation
def test_it_starts_a_job_if_its_answer_names_one_that_it_was_not_asked_about(operation: Operation) -> None:
    is_job = "JobId" in members(operation.name, "output") - members(operation.name)
    assert operation.starts_job is is_job
    assert (operation.name in JOB_OPERATIONS) is is_job


@every_operation
def test_its_environment_is_a_member_of_its_request(operation: Operation) -> None:
    known = {name for name in members(operation.name) if name.endswith("EnvironmentName")}
    if operation.environment:
        assert operation.environment in known
        assert not (operation.environment != "TargetEnvironmentName" and "TargetEnvironmentName" in known)
    else:
        # A configuration or a token is the app's, even where the request may name an environment.
        assert operation.resource in ("app", "config", "token", "bucket")


@every_operation
def test_what_shows_it_only_reads_and_asks_for_no_more_than_the_request_has(operation: Operation) -> None:
    if operation.read is None:
        return
    shown_by = OPERATIONS[operation.read]
    assert shown_by.only_reads
    required = service_model.input_shape(operation.read).required_members
    own = members(operation.name) | members(operation.name, "output")
    assert set(required) <= own | {"ResourceName"}


def test_only_an_import_names_no_resource_of_its_category() -> None:
    for operation in OPERATIONS.values():
        in_category = operation.resource in CATEGORIES and not operation.only_reads
        assert operation.is_import is (in_category and "ResourceName" not in members(operation.name)), operation.name


def test_each_category_is_shown_by_its_own_read() -> None:
    for category, read in CATEGORIES.items():
        assert OPERATIONS[read].resource == category
        assert {"ResourceName", "ResourceConfig"} <= members(read, "output") | members(read)
