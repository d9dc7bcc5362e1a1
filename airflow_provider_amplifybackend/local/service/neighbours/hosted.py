"""Apps, environments, branches and jobs: found for AWS Amplify's operations, and as their answers show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_amplifybackend.local.service.api_model import AMPLIFY, service_model
from airflow_provider_amplifybackend.local.service.clock import Clock
from airflow_provider_amplifybackend.local.service.errors import bad_request, not_found
from airflow_provider_amplifybackend.local.service.hosting import ENDED, Branch, BranchJob
from airflow_provider_amplifybackend.local.service.invocation import Answer, Invocation
from airflow_provider_amplifybackend.local.service.neighbours.pages import UnknownTokenError, page_of
from airflow_provider_amplifybackend.local.service.store import App, Environment, Store

if TYPE_CHECKING:
    from botocore.model import StructureShape


def app(invocation: Invocation) -> App:
    app_id = invocation.parameters["appId"]
    found = invocation.store.apps.get(app_id)
    if found is None:
        raise not_found("App", f"App {app_id}")
    return found


def environment(invocation: Invocation) -> Environment:
    name = invocation.parameters["environmentName"]
    found = app(invocation).environments.get(name)
    if found is None:
        raise not_found("BackendEnvironment", f"Backend environment {name} of app {invocation.parameters['appId']}")
    return found


def branch(invocation: Invocation) -> Branch:
    name = invocation.parameters["branchName"]
    found = app(invocation).hosting.branches.get(name)
    if found is None:
        raise not_found("Branch", f"Branch {name} of app {invocation.parameters['appId']}")
    return found


def job(invocation: Invocation) -> BranchJob:
    job_id = invocation.parameters.get("jobId", "")
    found = branch(invocation).jobs.get(job_id)
    if found is None:
        raise not_found("Job", f"Job {job_id} of branch {invocation.parameters['branchName']}")
    return found


def listed(invocation: Invocation, member: str, rows: Iterable[tuple[str, Answer]], largest: int) -> Answer:
    """Return an answer with a page of the rows; `maxResults` 0 means what none means."""
    size = invocation.parameters.get("maxResults") or largest
    try:
        page, token = page_of(rows, invocation.parameters.get("nextToken"), size)
    except UnknownTokenError:
        raise bad_request("nextToken was not issued by this service") from None
    return {member: page, "nextToken": token}


def settings_of(parameters: Mapping[str, Any], shape: str) -> dict[str, Any]:
    """Return what of a request is a setting that answers show: tokens for repositories are not."""
    members = cast("StructureShape", service_model(AMPLIFY).shape_for(shape)).members
    identity = {"appId", "name", "branchName", "tags"}
    return {name: value for name, value in parameters.items() if name in members and name not in identity}


def app_arn(store: Store, app_id: str) -> str:
    return f"arn:aws:amplify:{store.region}:{store.account}:apps/{app_id}"


def shown_app(store: Store, found: App) -> Answer:
    return {
        "appId": found.app_id,
        "appArn": app_arn(store, found.app_id),
        "name": found.name,
        "tags": dict(found.hosting.tags),
        "createTime": found.hosting.created,
        "updateTime": found.hosting.updated,
        "defaultDomain": f"{found.app_id}.amplifyapp.com",
        # Members that the model requires, as an app has them to which nobody gave others.
        "description": "",
        "repository": "",
        "platform": "WEB",
        "environmentVariables": {},
        "enableBranchAutoBuild": False,
        "enableBasicAuth": False,
        **found.hosting.settings,
    }


def shown_environment(store: Store, app_id: str, found: Environment) -> Answer:
    return {
        "backendEnvironmentArn": f"{app_arn(store, app_id)}/backendenvironments/{found.name}",
        "environmentName": found.name,
        "stackName": found.provider["StackName"],
        "deploymentArtifacts": found.provider["DeploymentBucketName"],
        "createTime": found.created,
        "updateTime": found.updated,
    }


def branch_arn(store: Store, app_id: str, name: str) -> str:
    return f"{app_arn(store, app_id)}/branches/{name}"


def shown_branch(store: Store, app_id: str, found: Branch) -> Answer:
    return {
        "branchArn": branch_arn(store, app_id, found.name),
        "branchName": found.name,
        "tags": dict(found.tags),
        "createTime": found.created,
        "updateTime": found.updated,
        "activeJobId": max(found.jobs, key=int, default="0"),
        "totalNumberOfJobs": str(len(found.jobs)),
        "customDomains": [],
        "description": "",
        "stage": "PRODUCTION",
        "displayName": found.name,
        "enableNotification": False,
        "environmentVariables": {},
        "enableAutoBuild": True,
        "framework": "",
        "enableBasicAuth": False,
        "ttl": "5",
        "enablePullRequestPreview": False,
        **found.settings,
    }


def shown_job(arn: str, found: BranchJob, clock: Clock) -> Answer:
    status = found.status(clock.now())
    ended = found.ends if status in ENDED else None
    return {
        "jobArn": f"{arn}/jobs/{found.job_id}",
        "jobId": found.job_id,
        "jobType": found.job_type,
        "startTime": clock.wall(found.started),
        "status": status,
        "endTime": None if ended is None else clock.wall(ended),
        "commitId": "HEAD",
        "commitMessage": "",
        "commitTime": clock.wall(found.started),
        **found.commit,
    }
