"""Groups of tasks around an environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import human_in_the_loop
from airflow_provider_amplifybackend.operators.environment import DeleteBackendOperator, RemoveAllBackendsOperator
from airflow_provider_amplifybackend.operators.plan import PlanBackendDeletionOperator
from airflow_provider_amplifybackend.parameters.durations import as_duration
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import BaseNotifier, TaskGroup


def guarded_deletion(
    group_id: str,
    *,
    app_id: str,
    backend_environment_name: str | None = None,
    clean_amplify_app: bool | None = None,
    subject: str | None = None,
    assigned_users: Any = None,
    response_timeout: timedelta | str | None = None,
    notifiers: Sequence[BaseNotifier] | BaseNotifier | None = None,
    record: Any = None,
    leftovers: str | None = None,
    **options: Any,
) -> TaskGroup:
    """
    Delete an environment, or all environments of an app, after somebody has approved the plan (Airflow 3.1+).

    Three tasks: ``plan``, ``approve`` (an ``ApprovalOperator`` that shows the plan) and ``delete``, which looks itself
    whether this plan was approved in this run. Call it where tasks are defined: in a DAG, in another group, in a mapped
    one.

    :param group_id: The id of the group.
    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment to delete. Default: all of the app's. (templated)
    :param clean_amplify_app: For a whole app: whether to delete the Amplify app, too. (templated)
    :param subject: The headline of the approval. Default: what would be deleted. (templated)
    :param assigned_users: Who may answer. Default: everybody who may answer in Airflow.
    :param response_timeout: For how long to wait for an answer: a timedelta, or a text such as ``"8h"``; without an
        answer, the approval fails and nothing is deleted.
    :param notifiers: Whom to tell that an answer is needed.
    :param record: Where to write a record of the deletion, as for the operator that deletes. (templated)
    :param leftovers: Whether to look for what should be gone: ``"report"`` or ``"fail"``. (templated)
    :param options: Further parameters of the task that deletes, e.g. ``deferrable`` or ``only_if``. The AWS parameters
        (``aws_conn_id``, ``region_name``, ``verify``, ``botocore_config``) are those of the plan, too.

    :return: The group; ``group.get_child_by_label("delete")`` is the task that deletes.
    :raises ImportError: This Airflow is older than 3.1.
    :raises BackendParameterError: ``response_timeout`` is no duration.
    """
    human_in_the_loop("guarded_deletion")  # first, because it says clearly if this Airflow is too old
    from airflow.sdk import TaskGroup

    from airflow_provider_amplifybackend.task_groups._approval import ApproveBackendDeletionOperator

    longest = None if response_timeout is None else as_duration("response_timeout", response_timeout)
    aws = {name: options[name] for name in AwsParameters.template_fields if name in options}
    names: dict[str, Any] = {"app_id": app_id}
    with TaskGroup(group_id=group_id) as group:
        if backend_environment_name is not None:
            names["backend_environment_name"] = backend_environment_name
        if clean_amplify_app is not None:
            names["clean_amplify_app"] = clean_amplify_app
        plan = PlanBackendDeletionOperator(task_id="plan", **names, **aws)
        approve = ApproveBackendDeletionOperator(
            task_id="approve",
            plan=plan.output,
            subject=subject,
            assigned_users=assigned_users,
            response_timeout=longest,
            notifiers=notifiers,
        )
        operator = RemoveAllBackendsOperator if backend_environment_name is None else DeleteBackendOperator
        operator(
            task_id="delete",
            plan=plan.output,
            approval=approve.output,
            record=record,
            leftovers=leftovers,
            **names,
            **options,
        )
    return group
