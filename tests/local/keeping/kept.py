"""All that a local AmplifyBackend can be asked, for comparing one with another; and two whose times are the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service.clock import KeptClock
from airflow_provider_amplifybackend.local.service.store import DEFAULT_ACCOUNT, DEFAULT_REGION

BEGINNING = 1_800_000_000.0
_session = boto3.session.Session()


def clients(service: LocalAmplifyBackend) -> dict[str, Any]:
    """boto3's clients of all three services, which repeat nothing."""
    return clients_of(service.endpoint_url)


@functools.lru_cache(maxsize=8)
def clients_of(endpoint_url: str) -> dict[str, Any]:
    return {
        name: _session.client(
            name,
            endpoint_url=endpoint_url,
            region_name=DEFAULT_REGION,
            aws_access_key_id=DEFAULT_ACCOUNT,
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
        )
        for name in ("amplifybackend", "amplify", "cloudformation")
    }


def stand_still(service: LocalAmplifyBackend, seed: int) -> None:
    """Let its time begin at the same moment as everywhere, and its job ids be the same ones."""
    service.app.service.clock.restore(KeptClock(0.0, 0.0, BEGINNING, BEGINNING))
    service.app.service.random.seed(seed)


def answer(call: Callable[..., dict[str, Any]], **parameters: Any) -> Any:
    """What boto3 says: an answer without its metadata, or an error's code and message."""
    try:
        found = call(**parameters)
    except ClientError as error:
        return (error.response["Error"]["Code"], error.response["Error"]["Message"])
    found.pop("ResponseMetadata")
    return found


def everything(service: LocalAmplifyBackend, tokens: list[str]) -> dict[str, Any]:
    """Every read of all three services and of the control interface, but for fault scripts and the journal."""
    own = clients(service)
    found: dict[str, Any] = {
        "state": service.control.state(),
        "jobs": service.control.jobs(),
        "settings": service.control.settings(),
        "clock": service.control.clock(),
        "buckets": answer(own["amplifybackend"].list_s3_buckets),
        "apps": answer(own["amplify"].list_apps),
    }
    for store in found["state"]:
        for app in store["apps"]:
            found.update(_app(own, app, tokens))
    for job in found["jobs"]:
        names = {"AppId": job["AppId"], "BackendEnvironmentName": job["BackendEnvironmentName"] or "any"}
        found[f"job {job['JobId']}"] = answer(own["amplifybackend"].get_backend_job, **names, JobId=job["JobId"])
        found[f"jobs {names}"] = list(_pages(own["amplifybackend"].list_backend_jobs, **names))
    found.update(_stacks(own["cloudformation"]))
    return found


def _pages(call: Callable[..., dict[str, Any]], **parameters: Any) -> Iterator[Any]:
    page = answer(call, **parameters)
    yield page
    while isinstance(page, dict) and page.get("NextToken"):
        page = answer(call, **parameters, NextToken=page["NextToken"])
        yield page


def _app(own: dict[str, Any], app: dict[str, Any], tokens: list[str]) -> Iterator[tuple[str, Any]]:
    backend, amplify = own["amplifybackend"], own["amplify"]
    app_id = app["app_id"]
    yield f"app {app_id}", answer(backend.get_backend, AppId=app_id)
    yield f"hosted {app_id}", answer(amplify.get_app, appId=app_id)
    arn = amplify.get_app(appId=app_id)["app"]["appArn"]
    yield f"tags {app_id}", answer(amplify.list_tags_for_resource, resourceArn=arn)
    yield f"known {app_id}", answer(amplify.list_backend_environments, appId=app_id)
    yield f"branches {app_id}", answer(amplify.list_branches, appId=app_id)
    for branch in app["branches"]:
        yield f"builds {app_id} {branch}", answer(amplify.list_jobs, appId=app_id, branchName=branch)
    for token in tokens:
        yield f"token {app_id} {token}", answer(backend.get_token, AppId=app_id, SessionId=token)
    for environment in app["environments"]:
        names = {"AppId": app_id, "BackendEnvironmentName": environment["name"]}
        yield f"environment {names}", answer(backend.get_backend, **names)
        for kind in ("auth", "api", "storage"):
            for resource in environment[kind]:
                read = getattr(backend, f"get_backend_{kind}")
                yield f"{kind} {names} {resource}", answer(read, **names, ResourceName=resource)
        for resource in environment["api"]:
            yield f"models {names} {resource}", answer(backend.get_backend_api_models, **names, ResourceName=resource)


def _stacks(cloudformation: Any) -> Iterator[tuple[str, Any]]:
    yield "described", list(_pages(cloudformation.describe_stacks))
    yield "listed", list(_pages(cloudformation.list_stacks))
    for page in _pages(cloudformation.list_stacks):
        for stack in page["StackSummaries"]:
            name = stack["StackId"]
            yield f"resources {name}", answer(cloudformation.list_stack_resources, StackName=name)
            yield f"template {name}", answer(cloudformation.get_template, StackName=name)
            yield f"policy {name}", answer(cloudformation.get_stack_policy, StackName=name)
