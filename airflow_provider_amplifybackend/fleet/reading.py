"""The reads of an inventory: the apps of a region, the environments of an app, and everything of one environment.

Generators of reads, as in ``guard/``: whoever drives them paces the requests. An answer that does not come is a note
beside what did, so that one app that may not be read costs one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.meta_config import outputs, parse_document
from airflow_provider_amplifybackend.core.requests import jobs_request
from airflow_provider_amplifybackend.guard.inventory import Gap, Inventory, Reads, read, read_pages
from airflow_provider_amplifybackend.guard.signs import STACK_STATUSES, Ask, Facts, stack_signs

# The bounds of listings, in pages: 10,000 apps, 10,000 environments of an app, and stacks as many as an account has.
MOST_APP_PAGES = 100
MOST_ENVIRONMENT_PAGES = 200
MOST_STACK_PAGES = 500
# What a note about the list of apps begins with.
ALL_APPS = "the apps"
# Of 25 jobs each. What is older than the newest thousand, in a list without an order, is in nobody's way.
MOST_JOB_PAGES = 40


@dataclass(frozen=True)
class App:
    """An app as AWS Amplify shows it: without its repository, its variables but one, and its access token."""

    app_id: str
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    # What could not be read of it.
    gaps: tuple[Gap, ...] = ()


@dataclass
class Region:
    """The facts that all environments of a region share."""

    apps: list[App] = field(default_factory=list)
    # By name, their status: those that a migration may have left.
    stacks: dict[str, str] = field(default_factory=dict)
    found: Inventory = field(default_factory=Inventory)


@dataclass
class Known:
    """An environment as one or the other API lists it."""

    name: str
    in_amplify: bool = False
    in_backend: bool = False
    created: datetime | None = None
    updated: datetime | None = None
    stack: str | None = None


@dataclass
class Environment:
    """Everything that was read of one environment."""

    known: Known
    exists: bool = True
    # None: it cannot be read.
    meta: Mapping[str, Any] | None = None
    flags: Any = None
    jobs: list[Job] = field(default_factory=list)
    # Whether the list of jobs is complete; None: it cannot be read at all.
    jobs_are_complete: bool | None = True
    stack: str | None = None
    signs: Facts | None = None
    found: Inventory = field(default_factory=Inventory)


def read_region(app_ids: list[str] | None) -> Reads[Region]:
    """Read the apps of a region and the names of its stacks.

    :param app_ids: Only these apps. Default: all.
    """
    region = Region()
    if app_ids is None:
        ask = Ask("amplify", "ListApps", {"maxResults": 100})
        rows = yield from read_pages(ask, "apps", region.found, ALL_APPS, token="nextToken", most=MOST_APP_PAGES)  # noqa: S106
        region.apps = [_app(row) for row in rows if row.get("appId")]
    else:
        for app_id in app_ids:
            region.apps.append((yield from _read_app(app_id)))
    if region.apps:
        stacks = Ask("cloudformation", "ListStacks", {"StackStatusFilter": list(STACK_STATUSES)})
        listed = yield from read_pages(stacks, "StackSummaries", region.found, "the stacks", most=MOST_STACK_PAGES)
        region.stacks = {str(row.get("StackName", "")): str(row.get("StackStatus", "")) for row in listed}
    return region


def _read_app(app_id: str) -> Reads[App]:
    found = Inventory()
    answer = yield from read(Ask("amplify", "GetApp", {"appId": app_id}), found, f"app {app_id}")
    if answer is None:
        found.gap(f"app {app_id}", "AWS Amplify knows no such app")
    # What AWS Amplify does not tell of it, AmplifyBackend may: it is asked all the same.
    return _app((answer or {}).get("app") or {"appId": app_id}, tuple(found.gaps))


def _app(row: Mapping[str, Any], gaps: tuple[Gap, ...] = ()) -> App:
    tags, variables = row.get("tags") or {}, row.get("environmentVariables") or {}
    return App(str(row["appId"]), str(row.get("name") or ""), tags, variables, gaps)


def read_environments(app: App, found: Inventory) -> Reads[list[Known]]:
    """Read which environments an app has, as both APIs list them."""
    known: dict[str, Known] = {}
    ask = Ask("amplify", "ListBackendEnvironments", {"appId": app.app_id})
    what = f"the environments of app {app.app_id}"
    rows = yield from read_pages(
        ask, "backendEnvironments", found, what, token="nextToken", most=MOST_ENVIRONMENT_PAGES  # noqa: S106
    )  # fmt: skip
    for row in rows:
        name = str(row.get("environmentName") or "")
        if name:
            known[name] = Known(
                name,
                in_amplify=True,
                created=_time(row.get("createTime")),
                updated=_time(row.get("updateTime")),
                stack=str(row["stackName"]) if row.get("stackName") else None,
            )
    backend = yield from read(Ask("amplifybackend", "GetBackend", {"AppId": app.app_id}), found, what, hides=True)
    for name in (backend or {}).get("BackendEnvironmentList") or []:
        known.setdefault(str(name), Known(str(name))).in_backend = True
    return [known[name] for name in sorted(known)]


def _time(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def read_environment(app_id: str, known: Known, now: datetime) -> Reads[Environment]:
    """Read everything of one environment: four requests, and one for each further page of jobs."""
    environment = Environment(known, stack=known.stack)
    names = {"AppId": app_id, "BackendEnvironmentName": known.name}
    backend = yield from read(
        Ask("amplifybackend", "GetBackend", names), environment.found, "its configuration", hides=True
    )
    environment.exists = backend is not None
    meta = parse_document((backend or {}).get("AmplifyMetaConfig"))
    environment.meta = meta if isinstance(meta, Mapping) else None
    environment.flags = (backend or {}).get("AmplifyFeatureFlags")
    environment.stack = outputs(meta)["stack_name"] or known.stack
    if environment.exists:
        yield from _read_jobs(app_id, environment)
    if environment.stack:
        environment.signs = Facts(now=now)
        yield from stack_signs(environment.stack, environment.signs)
    return environment


def _read_jobs(app_id: str, environment: Environment) -> Reads[None]:
    gaps = len(environment.found.gaps)
    ask = Ask("amplifybackend", "ListBackendJobs", jobs_request(app_id, environment.known.name))
    rows = yield from read_pages(ask, "Jobs", environment.found, "its jobs", most=MOST_JOB_PAGES)
    environment.jobs = [
        Job.from_response(row, app_id=app_id, backend_environment_name=environment.known.name) for row in rows
    ]
    if len(environment.found.gaps) > gaps:
        environment.jobs_are_complete = False if rows else None
