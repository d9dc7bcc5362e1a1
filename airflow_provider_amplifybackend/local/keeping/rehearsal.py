"""A state that was read is tried out before it is used: on a copy, by every read, now and once all its jobs have ended.

That finds what a digest and the types of fields cannot: a value that the service itself would not have stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from airflow_provider_amplifybackend.local.keeping.coding import UnreadableError
from airflow_provider_amplifybackend.local.service.errors import AnsweredError
from airflow_provider_amplifybackend.local.service.neighbours.hosted import app_arn
from airflow_provider_amplifybackend.local.service.service import Service
from airflow_provider_amplifybackend.local.service.store import RESOURCE_KINDS, App, Environment, Store

Answering = Callable[[str, Mapping[str, Any]], object]
"""Makes of an operation's result what a caller gets."""

Read = tuple[str, dict[str, Any]]

_ONE_PAGE = 2**31
_READERS = {"auth": "GetBackendAuth", "api": "GetBackendAPI", "storage": "GetBackendStorage"}


def rehearse(service: Service, answering: Answering) -> None:
    """Read all that a service knows, let its jobs end, and read it again.

    :raises UnreadableError: Something fails in another way than by an answer.
    """
    service.clock.freeze(True)
    service.settings.update({"bucket_page_size": _ONE_PAGE, "stack_page_size": _ONE_PAGE})
    _try("what is due", service.settle)
    _read_everything(service, answering)
    for store in service.stores.values():
        for job in [job for job in store.jobs.all() if not job.finished]:
            end = partial(service.schedule.move, job, store, "COMPLETED", at=service.clock.now())
            _try(f"the end of job {job.job_id}", end)
    _read_everything(service, answering)


def _read_everything(service: Service, answering: Answering) -> None:
    for store in service.stores.values():
        _try("the control interface's state", store.snapshot)
        for operation, parameters in list(_reads(store)):
            _try(operation, partial(_answer, service, answering, store, operation, parameters))


def _answer(service: Service, answering: Answering, store: Store, operation: str, parameters: dict[str, Any]) -> None:
    answering(operation, service.call(operation, parameters, account=store.account, region=store.region))


def _try(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except AnsweredError:
        return
    except Exception as failure:  # noqa: BLE001  # whatever it is, each such request would be answered with a 500
        raise UnreadableError(f"{what} would fail: {type(failure).__name__}: {failure}") from None


def _reads(store: Store) -> Iterator[Read]:
    for listing in ("ListS3Buckets", "ListApps", "DescribeStacks", "ListStacks"):
        yield listing, {}
    for app in store.apps.values():
        yield from _reads_of_app(store, app)
    for job in store.jobs.all():
        own = {"AppId": job.plan.app_id, "BackendEnvironmentName": next(iter(job.plan.environments), "any")}
        yield "GetBackendJob", {**own, "JobId": job.job_id}
    for stack_id in store.stacks:
        for reader in ("ListStackResources", "GetStackPolicy", "GetTemplate"):
            yield reader, {"StackName": stack_id}


def _reads_of_app(store: Store, app: App) -> Iterator[Read]:
    yield "GetBackend", {"AppId": app.app_id}
    yield "GetApp", {"appId": app.app_id}
    yield "ListTagsForResource", {"resourceArn": app_arn(store, app.app_id)}
    yield "ListBackendEnvironments", {"appId": app.app_id}
    for session_id in app.tokens:
        yield "GetToken", {"AppId": app.app_id, "SessionId": session_id}
    for name, branch in app.hosting.branches.items():
        yield "GetBranch", {"appId": app.app_id, "branchName": name}
        yield "ListJobs", {"appId": app.app_id, "branchName": name}
        for job_id in branch.jobs:
            yield "GetJob", {"appId": app.app_id, "branchName": name, "jobId": job_id}
    for environment in app.environments.values():
        yield from _reads_of_environment(app, environment)


def _reads_of_environment(app: App, environment: Environment) -> Iterator[Read]:
    named = {"AppId": app.app_id, "BackendEnvironmentName": environment.name}
    yield "GetBackend", named
    yield "GetBackendEnvironment", {"appId": app.app_id, "environmentName": environment.name}
    yield "ListBackendJobs", named
    for kind in RESOURCE_KINDS:
        for name in environment.resources(kind):
            yield _READERS[kind], {**named, "ResourceName": name}
    for name in environment.api:
        yield "GetBackendAPIModels", {**named, "ResourceName": name}
