"""The reads and writes of leases, as a generator that a driver carries out: tags of an app in AWS Amplify."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_amplifybackend.guard.lease import LeaseFormatError, Tags
from airflow_provider_amplifybackend.guard.signs import Ask, Facts, UnreadableError, service_time

T = TypeVar("T")
Asks = Generator[Ask, Mapping[str, Any], T]


def app_arn(app_id: str) -> Asks[str]:
    """Return the ARN of an app, under which its tags are."""
    ask = Ask("amplify", "GetApp", {"appId": app_id})
    arn = ((yield ask).get("app") or {}).get("appArn")
    if not arn:
        raise UnreadableError(ask, "the answer has no appArn")
    return str(arn)


def read_tags(arn: str, now: datetime) -> Asks[Tags]:
    """Return the tags of an app, by the service's own clock if its answer tells it."""
    answer = yield Ask("amplify", "ListTagsForResource", {"resourceArn": arn})
    return Tags(dict(answer.get("tags") or {}), service_time(answer) or now)


def write_tag(arn: str, key: str, value: str, now: datetime) -> Asks[datetime]:
    """Set a tag, and return when that was done, by the service's own clock if its answer tells it."""
    answer = yield Ask("amplify", "TagResource", {"resourceArn": arn, "tags": {key: value}})
    return service_time(answer) or now


def remove_tags(arn: str, keys: Iterable[str]) -> Asks[None]:
    """Remove tags; those that are not there are no error."""
    yield Ask("amplify", "UntagResource", {"resourceArn": arn, "tagKeys": list(keys)})


def read_created(app_id: str, environment: str) -> Asks[datetime | None]:
    """Return when an environment was created; None if the service does not know it or does not say."""
    try:
        answer = yield Ask("amplify", "GetBackendEnvironment", {"appId": app_id, "environmentName": environment})
    except UnreadableError as error:
        if error.is_missing:
            return None
        raise
    created = (answer.get("backendEnvironment") or {}).get("createTime")
    return created if isinstance(created, datetime) else None


def read_lease(app_id: str, environment: str, facts: Facts) -> Asks[None]:
    """Read the lease of an environment; what keeps it from being read is a fact, too."""
    try:
        tags = yield from read_tags((yield from app_arn(app_id)), facts.now)
        facts.lease = tags.lease_of(environment)
    except UnreadableError as error:
        facts.lease_problem = f"the tags of app {app_id} cannot be read: {error}"
        facts.note(error)
    except LeaseFormatError as error:
        facts.lease_problem = f"the lease of environment {environment} is not one: {error}"


def list_apps() -> Asks[list[str]]:
    """Return the ids of all apps of the account in the region."""
    rows = yield from _pages("ListApps", {}, "apps")
    return [str(row.get("appId")) for row in rows]


def list_environments(app_id: str) -> Asks[dict[str, datetime | None]]:
    """Return the environments of an app, and when each was created, as far as the service says it."""
    rows = yield from _pages("ListBackendEnvironments", {"appId": app_id}, "backendEnvironments")
    created = {str(row.get("environmentName")): row.get("createTime") for row in rows}
    return {name: moment if isinstance(moment, datetime) else None for name, moment in created.items()}


def _pages(operation: str, request: Mapping[str, Any], member: str) -> Asks[list[Mapping[str, Any]]]:
    rows: list[Mapping[str, Any]] = []
    tokens: set[str] = set()
    token = None
    while True:
        ask = Ask("amplify", operation, {**request, **({"nextToken": token} if token else {})})
        page = yield ask
        rows += page.get(member) or []
        token = page.get("nextToken")
        if not token:
            return rows
        if token in tokens:  # followed, it would lead in a circle
            raise UnreadableError(ask, "a page leads back to an earlier one")
        tokens.add(token)
