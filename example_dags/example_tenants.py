"""Make one change for every tenant: a few at a time, and one that fails stops no other.

Each tenant has an Amplify app of its own. The change here is a stricter policy of passwords; `report` says for whom it
was made, and fails if it was not for all. Clear the failed tasks to try those tenants again, and only those.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

from airflow_provider_amplifybackend.operators.auth import UpdateBackendAuthOperator

# Or a task that reads them from wherever you keep them.
TENANTS = [
    {"app_id": "d1tenant", "resource_name": "people"},
    {"app_id": "d2tenant", "resource_name": "people"},
    {"app_id": "d3tenant", "resource_name": "customers"},
]
CHANGE = {
    "AuthResources": "USER_POOL_ONLY",
    "Service": "COGNITO",
    "UserPoolConfigs": {"PasswordPolicy": {"MinimumLength": 14}},
}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=1)},
    tags=["amplifybackend"],
)
def example_tenants():
    change = UpdateBackendAuthOperator.partial(
        task_id="change",
        backend_environment_name="main",
        resource_config=CHANGE,
        deferrable=True,
        max_active_tis_per_dag=10,
    ).expand_kwargs(TENANTS)

    @task(trigger_rule="all_done", retries=0)
    def report(changed) -> None:
        """Compare with what was to be done: a tenant whose task has failed has no result."""
        done = {result["AppId"] for result in changed or []}
        left = [tenant["app_id"] for tenant in TENANTS if tenant["app_id"] not in done]
        print(f"Changed: {', '.join(sorted(done)) or 'none'}")
        if left:
            raise RuntimeError(f"not changed: {', '.join(left)}")

    report(change.output)


example_tenants()
