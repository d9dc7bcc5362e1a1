"""What users and stored triggers import has a place that does not move."""

from __future__ import annotations

import importlib

import pytest

PLACES = {
    "assets": "backend_asset",
    "exceptions": "AmplifyBackendError BackendDriftError BackendGuardError BackendJobFailedError "
    "BackendJobTimeoutError BackendLeaseError BackendLeftoversError BackendParameterError "
    "BackendRecordError BackendRequestError BackendStartError BackendStorageError BackendTimeoutError",
    "hooks.amplify_backend": "AmplifyBackendHook",
    "hooks.start": "StartOnce Policy Blocked Reached",
    "jobs": "Intent Job JobRef JobResult Outcome Round",
    "links": "AmplifyConsoleLink AmplifyStudioLink",
    "local.cli": "main",
    "local.control": "LocalControl",
    "local.server": "LocalAmplifyBackend",
    "operators.api": "CreateBackendAPIOperator DeleteBackendAPIOperator GenerateBackendAPIModelsOperator "
    "GetBackendAPIModelsOperator GetBackendAPIOperator UpdateBackendAPIOperator",
    "operators.auth": "CreateBackendAuthOperator DeleteBackendAuthOperator GetBackendAuthOperator "
    "ImportBackendAuthOperator UpdateBackendAuthOperator",
    "operators.base": "AmplifyBackendJobOperator AmplifyBackendOperator",
    "operators.config": "CreateBackendConfigOperator RemoveBackendConfigOperator UpdateBackendConfigOperator",
    "operators.environment": "CloneBackendOperator CreateBackendOperator DeleteBackendOperator GetBackendOperator "
    "RemoveAllBackendsOperator",
    "operators.inventory": "BackendInventoryOperator",
    "operators.lease": "ExtendLeaseOperator PinEnvironmentOperator",
    "operators.plan": "PlanBackendDeletionOperator",
    "operators.snapshot": "CompareBackendsOperator SnapshotBackendOperator",
    "operators.job": "GetBackendJobOperator ListBackendJobsOperator UpdateBackendJobOperator",
    "operators.storage": "CreateBackendStorageOperator DeleteBackendStorageOperator GetBackendStorageOperator "
    "ImportBackendStorageOperator ListS3BucketsOperator UpdateBackendStorageOperator",
    "operators.token": "CreateTokenOperator DeleteTokenOperator GetTokenOperator",
    "notifications.owner": "BackendOwnerNotifier",
    "polling": "Condition FaultKind ServiceError",
    "retries": "backend_retry_policy",
    "sensors.base": "WaitSensor",
    "sensors.environment": "BackendEnvironmentSensor",
    "sensors.job": "BackendJobSensor",
    "task_groups": "ephemeral_environment guarded_deletion reap_environments",
    "task_groups.environment": "guarded_deletion",
    "task_groups.ephemeral": "ephemeral_environment",
    "task_groups.reaper": "reap_environments",
    "triggers.base": "WaitTrigger",
    "triggers.change": "BackendChangeTrigger",
    "triggers.environment": "BackendEnvironmentTrigger",
    "triggers.events": "check_event job_of_event",
    "triggers.job": "BackendJobTrigger",
    "validation": "validate_dag",
}


@pytest.mark.parametrize("module", PLACES)
def test_it_is_where_it_has_always_been(module: str) -> None:
    there = importlib.import_module(f"airflow_provider_amplifybackend.{module}")
    assert all(hasattr(there, name) for name in PLACES[module].split())
