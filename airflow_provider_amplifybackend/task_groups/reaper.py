"""The reaper: what takes down environments that nobody needs any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import task_group
from airflow_provider_amplifybackend.operators._deleting import check_memory
from airflow_provider_amplifybackend.parameters.limits import as_whole
from airflow_provider_amplifybackend.task_groups._reaping import (
    ReapEnvironmentOperator,
    ReportReapingOperator,
    SurveyEnvironmentsOperator,
)
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import TaskGroup


def reap_environments(
    group_id: str = "reap",
    *,
    app_ids: Any = None,
    name: str | None = None,
    older_than: timedelta | str | None = None,
    dag_ids: str = "*",
    dry_run: bool | str = True,
    at_most: int = 3,
    record: Any = None,
    leftovers: str | None = None,
    default_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> TaskGroup:
    """
    Delete environments whose lease has ended, and those without one that match a name and an age.

    Three tasks: ``survey`` looks and decides, ``delete`` is mapped over what is to go, and ``report`` says what became
    of each environment and why. Whatever is protected, locked, pinned, pending or in doubt is kept, and so is what a
    run that still lives has made. Call it where tasks are defined, but not in a mapped group.

    :param group_id: The id of the group.
    :param app_ids: The apps: a list of ids. Default: all of the account in the region. (templated)
    :param name: A pattern of names with ``*`` and ``?``, for environments without a lease. Default: only those with a
        lease are reaped. (templated)
    :param older_than: The age that these must have: a timedelta, or a text such as ``"3d"``. (templated)
    :param dag_ids: A pattern of the DAGs whose leases count. Default: all. (templated)
    :param dry_run: Whether only to say what would be done, which is the default. (templated)
    :param at_most: How many deletions may run at once.
    :param record: Where to write a record of each deletion, as for ``DeleteBackendOperator``. (templated)
    :param leftovers: Whether to look for what should be gone: ``"report"`` or ``"fail"``. Airflow before 3.3 needs
        ``record`` for it. (templated)
    :param default_args: Default arguments of all tasks in the group, e.g. ``retries``.
    :param options: Further parameters of the task that deletes, e.g. ``deferrable`` or ``guard``. The AWS parameters
        (``aws_conn_id``, ``region_name``, ``verify``, ``botocore_config``) are those of the survey, too.

    :return: The group.
    :raises BackendParameterError: ``leftovers`` cannot be looked for, or ``at_most`` is no number from 1.
    """
    check_memory(leftovers, record)
    deletions_at_once = as_whole("at_most", at_most, least=1)
    aws = {name: options[name] for name in AwsParameters.template_fields if name in options}
    deletion = {key: value for key, value in {"record": record, "leftovers": leftovers}.items() if value is not None}
    group: TaskGroup = task_group()(group_id=group_id, default_args=dict(default_args or {}))
    with group:
        survey = SurveyEnvironmentsOperator(
            task_id="survey",
            app_ids=app_ids,
            name_pattern=name,
            older_than=older_than,
            dag_ids=dag_ids,
            is_dry_run=dry_run,
            **aws,
        )
        delete = ReapEnvironmentOperator.partial(
            task_id="delete",
            if_missing="skip",
            only_if={"no_pending_job": True},
            max_active_tis_per_dagrun=deletions_at_once,
            **deletion,
            **options,
        ).expand_kwargs(survey.output)
        report = ReportReapingOperator(
            task_id="report", survey=survey.task_id, deletion=delete.task_id, trigger_rule="all_done"
        )
        survey >> delete >> report
    return group
