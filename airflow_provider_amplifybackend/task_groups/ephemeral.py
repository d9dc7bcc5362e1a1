"""An environment for a while: made for a group of tasks, and taken down after them whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from airflow_provider_amplifybackend._compat import task_group
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.guard.lease import default_prefix, prefix_problem
from airflow_provider_amplifybackend.operators._deleting import check_memory
from airflow_provider_amplifybackend.operators.environment import CloneBackendOperator, GetBackendOperator
from airflow_provider_amplifybackend.operators.lease import ExtendLeaseOperator
from airflow_provider_amplifybackend.parameters.durations import as_duration
from airflow_provider_amplifybackend.parameters.limits import as_waiter_delay, as_whole
from airflow_provider_amplifybackend.parameters.reading import as_choice, shown
from airflow_provider_amplifybackend.task_groups._lease_tasks import (
    AwaitRoomOperator,
    ReleaseEnvironmentOperator,
    ReserveEnvironmentOperator,
)
from airflow_provider_amplifybackend.task_groups._leased_deletion import DeleteLeasedBackendOperator
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

Duration = timedelta | str
LIMIT_TIMEOUT = timedelta(hours=12)


@dataclass(frozen=True)
class _Wishes:
    """The wishes of whoever writes the block, checked."""

    app_id: str
    source: str
    ttl: timedelta
    prefix: str
    max_concurrent: int | None
    on_limit: str
    limit_timeout: timedelta
    poll_interval: float
    keep_on_failure: timedelta | None
    # Further parameters of the deletion, and of all tasks that start a job.
    deletion: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def aws(self) -> dict[str, Any]:
        """The AWS parameters, which all tasks have."""
        return {name: self.options[name] for name in AwsParameters.template_fields if name in self.options}


class EphemeralEnvironment:
    """The environment of an ``ephemeral_environment`` block.

    :ivar group: The group of its tasks.
    :ivar name: The name of the environment, for parameters of other tasks.
    :ivar outputs: Its resources, as ``GetBackendOperator`` has them: ``outputs["user_pool_id"]``.
    """

    name: Any
    outputs: Any

    def __init__(self, group_id: str, wishes: _Wishes, default_args: Mapping[str, Any] | None) -> None:
        self._wishes = wishes
        self.group: Any = task_group()(group_id=group_id, default_args=dict(default_args or {}))

    def __enter__(self) -> Self:
        """Make the tasks around the body."""
        self.group.__enter__()
        self._reserve = self._make_reserve()
        self._reserved: Any = self._reserve.output
        self.name = self._reserved
        self._clone = self._make_clone()
        self._outputs = self._make_outputs()
        self.outputs = self._outputs.output
        self._delete = self._make_delete()
        self._release = self._make_release()
        room = () if self._wishes.max_concurrent is None else (self._make_room(self._wishes.max_concurrent),)
        self._before = (self._reserve, *room, self._clone, self._outputs)
        for first, second in pairwise(self._before):
            first >> second
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the body between the clone and the deletion."""
        try:
            if kind is None:
                self._close()
        finally:
            self.group.__exit__(kind, error, trace)

    def extend(self, ttl: Duration, *, task_id: str = "extend", **options: Any) -> ExtendLeaseOperator:
        """Return a task of the body that prolongs the lease: it lasts at least so long from then on."""
        lasts = as_duration("ttl", ttl)
        return ExtendLeaseOperator(
            task_id=task_id, ttl=lasts, backend_environment_name=self.name, **self._common, **options
        )

    # ------------------------------------------------------------------------------------------------- the tasks

    @property
    def _common(self) -> dict[str, Any]:
        return {"app_id": self._wishes.app_id, **self._wishes.aws}

    @property
    def _holding(self) -> dict[str, Any]:
        return {"lease_group": str(self.group.group_id), **self._common}

    def _make_reserve(self) -> ReserveEnvironmentOperator:
        task = ReserveEnvironmentOperator(
            task_id="reserve",
            prefix=self._wishes.prefix,
            ttl=self._wishes.ttl,
            limit_timeout=None if self._wishes.max_concurrent is None else self._wishes.limit_timeout,
            **self._holding,
        )
        task.is_setup = True
        return task

    def _make_room(self, max_concurrent: int) -> AwaitRoomOperator:
        wishes = self._wishes
        task = AwaitRoomOperator(
            task_id="limit",
            backend_environment_name=self.name,
            since=self._reserved["since"],
            max_concurrent=max_concurrent,
            ttl=wishes.ttl,
            timeout=wishes.limit_timeout,
            on_limit=wishes.on_limit,
            poll_interval=wishes.poll_interval,
            **{name: wishes.options[name] for name in ("deferrable",) if name in wishes.options},
            **self._holding,
        )
        task.is_setup = True
        return task

    def _make_clone(self) -> CloneBackendOperator:
        task = CloneBackendOperator(
            task_id="clone",
            app_id=self._wishes.app_id,
            backend_environment_name=self._wishes.source,
            target_environment_name=self.name,
            on_failure="delete_target",
            # It exists where this run had made it before it was cleared.
            if_exists=self._reserved["if_exists"],
            **self._wishes.options,
        )
        # A setup, so that whoever clears a task of the body has the environment made again.
        task.is_setup = True
        return task

    def _make_outputs(self) -> GetBackendOperator:
        task = GetBackendOperator(task_id="outputs", backend_environment_name=self.name, **self._common)
        task.is_setup = True
        return task

    def _make_delete(self) -> DeleteLeasedBackendOperator:
        return DeleteLeasedBackendOperator(
            task_id="delete",
            app_id=self._wishes.app_id,
            backend_environment_name=self.name,
            if_missing="skip",
            only_if={"created_by_this_run": True},
            lease_group=str(self.group.group_id),
            clone=self._clone.task_id,
            keep_on_failure=self._wishes.keep_on_failure,
            **self._wishes.deletion,
            **self._wishes.options,
        )

    def _make_release(self) -> ReleaseEnvironmentOperator:
        return ReleaseEnvironmentOperator(
            task_id="release", backend_environment_name=self.name, deletion=self._delete.task_id, **self._holding
        )

    # -------------------------------------------------------------------------------------------------- the body

    def _close(self) -> None:
        own = {task.task_id for task in (*self._before, self._delete, self._release)}
        body = {task.task_id: task for task in _tasks(self.group) if task.task_id not in own}
        for task in body.values():
            if not task.upstream_task_ids & body.keys():
                self._outputs >> task
            if not task.downstream_task_ids & body.keys():
                task >> self._delete
        self._delete.body = tuple(body)
        # Also where the body is empty, or was skipped.
        self._outputs >> self._delete
        self._clone >> self._delete
        self._delete >> self._release
        # Tasks of the body are the leaves that decide about the run, as the deletion does not; its proof does, too.
        self._delete.as_teardown(setups=self._reserve)
        self._release.as_teardown(setups=self._reserve, on_failure_fail_dagrun=True)


def _tasks(group: Any) -> Iterator[Any]:
    """Yield the tasks of a group and of the groups in it."""
    for child in group.children.values():
        if hasattr(child, "children"):
            yield from _tasks(child)
        else:
            yield child


def ephemeral_environment(
    group_id: str,
    *,
    app_id: str,
    source: str,
    ttl: Duration,
    prefix: str | None = None,
    max_concurrent: int | None = None,
    on_limit: str = "wait",
    limit_timeout: Duration = LIMIT_TIMEOUT,
    poll_interval: float | timedelta = 30,
    keep_on_failure: Duration | None = None,
    record: Any = None,
    leftovers: str | None = None,
    default_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> EphemeralEnvironment:
    """
    Clone an environment for the tasks of a ``with`` block, and delete it after them whatever happens.

    The tasks of the block come after ``reserve``, ``limit`` (with ``max_concurrent``), ``clone`` and ``outputs``, and
    before the teardowns ``delete`` and ``release``. A lease, which is a tag of the app, says who has the environment
    and until when; where the teardowns never run, ``reap_environments`` goes by it.

    :param group_id: The id of the group.
    :param app_id: The app's id. (templated)
    :param source: The environment to clone. (templated)
    :param ttl: For how long the environment is leased: a timedelta, or a text such as ``"6h"``. A run that still lives
        keeps its environment for longer.
    :param prefix: The beginning of the environment's name, 1 to 5 small letters. Default: the first letters of the
        group's id.
    :param max_concurrent: How many environments of this group may live at once in the app, over all runs and map
        indexes. Default: any number.
    :param on_limit: What to do when they do: ``"wait"``, or ``"fail"``.
    :param limit_timeout: For how long to wait.
    :param poll_interval: Seconds between two reads of the tags while it waits, or a timedelta.
    :param keep_on_failure: For how long the environment stays if a task of the block has failed. Default: it goes.
    :param record: Where to write a record of the deletion, as for ``DeleteBackendOperator``. (templated)
    :param leftovers: Whether to look for what should be gone: ``"report"`` or ``"fail"``. Airflow before 3.3 needs
        ``record`` for it. (templated)
    :param default_args: Default arguments of all tasks in the group, e.g. ``retries``.
    :param options: Further parameters of the tasks that clone and delete, e.g. ``deferrable`` or ``waiter_delay``. The
        AWS parameters (``aws_conn_id``, ``region_name``, ``verify``, ``botocore_config``) are those of all tasks.

    :return: The block, with ``name``, ``outputs``, ``extend(...)`` and ``group``.
    :raises BackendParameterError: A parameter cannot be used.
    """
    check_memory(leftovers, record)
    own_prefix = default_prefix(group_id) if prefix is None else prefix
    if problem := prefix_problem(own_prefix):
        source_of = "" if prefix is not None else f" (the group id {group_id!r} has none: pass prefix)"
        raise BackendParameterError(f"prefix={shown(own_prefix)} {problem}{source_of}")
    wishes = _Wishes(
        app_id=app_id,
        source=source,
        ttl=as_duration("ttl", ttl),
        prefix=own_prefix,
        max_concurrent=None if max_concurrent is None else as_whole("max_concurrent", max_concurrent, least=1),
        on_limit=as_choice("on_limit", on_limit, ("wait", "fail")),
        limit_timeout=as_duration("limit_timeout", limit_timeout),
        poll_interval=as_waiter_delay("poll_interval", poll_interval),
        keep_on_failure=None if keep_on_failure is None else as_duration("keep_on_failure", keep_on_failure),
        deletion={name: value for name, value in {"record": record, "leftovers": leftovers}.items() if value},
        options=options,
    )
    return EphemeralEnvironment(group_id, wishes, default_args)
