"""The things of an environment in the account: read before a deletion, so that they can be looked for afterwards.

The stacks' own lists name what goes with them, and their templates what stays; what no stack has (the parameters of
functions, what was imported) is read beside them. A read that brings no answer is noted, never guessed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from airflow_provider_amplifybackend.core.meta_config import category, outputs, parse_document
from airflow_provider_amplifybackend.guard.lease_reads import list_environments
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError

T = TypeVar("T")
Reads = Generator[Ask, Mapping[str, Any], T]

ENVIRONMENT = "Amplify::BackendEnvironment"
APP = "AWS::Amplify::App"
BRANCH = "AWS::Amplify::Branch"
STACK = "AWS::CloudFormation::Stack"
BUCKET = "AWS::S3::Bucket"
USER_POOL = "AWS::Cognito::UserPool"
IDENTITY_POOL = "AWS::Cognito::IdentityPool"
API = "AWS::AppSync::GraphQLApi"
TABLE = "AWS::DynamoDB::Table"
ROLE = "AWS::IAM::Role"
PARAMETER = "AWS::SSM::Parameter"

# The reads are bounded: a plan is no inventory of an account.
MOST_STACKS = 200
MOST_PAGES = 50
MOST_COUNTS = 100
MOST_RESOURCES = 500  # CloudFormation's limit for a stack
RETAINED = frozenset({"Retain", "RetainExceptOnCreate"})
# Why something stays; UNKNOWN: it cannot be read whether it does.
RETAIN, IMPORTED, UNKNOWN = "Retain", "imported", "unknown"
# The outputs that identify what was imported.
_IMPORTS = {
    "user_pool_id": USER_POOL,
    "identity_pool_id": IDENTITY_POOL,
    "appsync_api_id": API,
    "bucket": BUCKET,
}


@dataclass(frozen=True)
class Thing:
    """Something in the account that belongs to an environment, or to the app where that is empty."""

    environment: str
    type: str
    id: str
    stack: str = ""
    logical_id: str = ""
    # Why it stays; nothing if it goes.
    stays: str = ""
    # Whether deletion protection is on, so that the job will fail on it; None: it cannot be read.
    protected: bool | None = False

    @property
    def key(self) -> tuple[str, str]:
        """Its identity; a name can be that of several things of different types."""
        return self.type, self.id

    def to_dict(self) -> dict[str, Any]:
        """Return it without what is empty, as a plan and a record show it."""
        members = {name: value for name, value in asdict(self).items() if value not in ("", False, None)}
        # Airflow's task state store takes no None.
        return members if self.protected is not None else {**members, "protected": UNKNOWN}

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Thing:
        """Read what :meth:`to_dict` has written.

        :raises ValueError: It is no such thing.
        """
        texts = {name: members[name] for name in cls.__dataclass_fields__ if name in members and name != "protected"}
        if not all(isinstance(text, str) for text in texts.values()) or not (texts.get("type") and texts.get("id")):
            raise ValueError("not a thing of an environment")
        protected = members.get("protected", False)
        return cls(**{"environment": "", **texts}, protected=None if protected == UNKNOWN else bool(protected))

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


@dataclass(frozen=True, order=True)
class Gap:
    """Something that cannot be read: what, and why not."""

    what: str
    why: str
    # Whether there may be things behind it that nobody has seen, so that nobody can look for them either.
    hides: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as a plan, a result and a record have it."""
        return {"what": self.what, "why": self.why} | ({"hides": True} if self.hides else {})


@dataclass
class Inventory:
    """Everything that was found, and what could not be read."""

    things: list[Thing] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    # By kind (users, items), then by id.
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def gap(self, what: str, why: object, *, hides: bool = False) -> None:
        """Note what cannot be read."""
        self.gaps.append(Gap(what, str(why), hides))


def remembering(reads: Reads[T]) -> Reads[T]:
    """Make each read once: signs, plan and configuration begin with the same ones."""
    known: dict[str, Mapping[str, Any] | UnreadableError] = {}
    answer: Mapping[str, Any] | UnreadableError | None = None
    while True:
        try:
            if answer is None:
                ask = next(reads)
            elif isinstance(answer, UnreadableError):
                ask = reads.throw(answer)
            else:
                ask = reads.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        key = json.dumps([ask.service, ask.operation, ask.request], sort_keys=True, default=str)
        if key not in known:
            try:
                known[key] = yield ask
            except UnreadableError as error:
                known[key] = error
        answer = known[key]


def read_environment(app_id: str, environment: str, found: Inventory) -> Reads[bool]:
    """Read everything that belongs to an environment; false if there is no such environment."""
    names = {"AppId": app_id, "BackendEnvironmentName": environment}
    ask = Ask("amplifybackend", "GetBackend", names)
    backend = yield from read(ask, found, f"environment {environment}", hides=True)
    if backend is None:
        return False
    found.things.append(Thing(environment, ENVIRONMENT, environment))
    meta = parse_document(backend.get("AmplifyMetaConfig"))
    found.things += imported(environment, meta)
    known = outputs(meta)
    root = known["stack_id"] or known["stack_name"] or (yield from _stack_name(app_id, environment, found))
    if root:
        yield from _read_stacks(environment, root, found)
    elif backend:
        found.gap(f"the stacks of environment {environment}", "nothing names its root stack", hides=True)
    yield from _read_parameters(app_id, environment, found)
    return True


def imported(environment: str, meta: Any) -> Iterator[Thing]:
    """Yield what an environment has imported: it exists elsewhere, and stays there."""
    for kind in ("auth", "api", "storage"):
        for name, resource in category(meta, kind).items():
            if isinstance(resource, Mapping) and resource.get("serviceType") == "imported":
                ids = outputs({kind: {name: resource}})
                for output, type_ in _IMPORTS.items():
                    if thing_id := ids[output]:
                        yield Thing(environment, type_, thing_id, logical_id=name, stays=IMPORTED)


def _stack_name(app_id: str, environment: str, found: Inventory) -> Reads[str | None]:
    ask = Ask("amplify", "GetBackendEnvironment", {"appId": app_id, "environmentName": environment})
    answer = yield from read(ask, found, f"the root stack's name of environment {environment}", hides=True)
    name = ((answer or {}).get("backendEnvironment") or {}).get("stackName")
    return str(name) if name else None


# ------------------------------------------------------------------------------------------------------- the stacks


def _read_stacks(environment: str, root: str, found: Inventory) -> Reads[None]:
    found.things.append(Thing(environment, STACK, root))
    waiting, seen = deque([(root, "")]), {root}
    while waiting:
        stack, inherited = waiting.popleft()
        resources = yield from _resources(stack, found)
        kept = (yield from _retained(stack, found)) if resources else {}
        for resource in resources:
            logical_id = str(resource.get("LogicalResourceId") or "")
            # What is in a nested stack that stays, stays with it.
            stays = inherited or (UNKNOWN if kept is None else kept.get(logical_id, ""))
            thing = Thing(
                environment,
                str(resource.get("ResourceType") or ""),
                str(resource["PhysicalResourceId"]),
                _short(stack),
                logical_id,
                stays,
            )
            found.things.append(thing)
            if thing.type == STACK and thing.id not in seen:
                if len(seen) == MOST_STACKS:
                    what = f"the stacks of environment {environment}"
                    found.gap(what, f"there are more than {MOST_STACKS}", hides=True)
                    return
                seen.add(thing.id)
                # An unreadable policy of the parent's says nothing of what the nested one keeps.
                waiting.append((thing.id, RETAIN if stays == RETAIN else ""))


def _resources(stack: str, found: Inventory) -> Reads[list[Mapping[str, Any]]]:
    ask = Ask("cloudformation", "ListStackResources", {"StackName": stack})
    rows = yield from read_pages(ask, "StackResourceSummaries", found, f"the resources of stack {_short(stack)}")
    return [row for row in rows if row.get("PhysicalResourceId") and row.get("ResourceStatus") != "DELETE_COMPLETE"]


def _retained(stack: str, found: Inventory) -> Reads[dict[str, str] | None]:
    """Return which of a stack's resources stay, by logical id; None if its template cannot be read."""
    what = f"the deletion policies of stack {_short(stack)}"
    answer = yield from read(
        Ask("cloudformation", "GetTemplate", {"StackName": stack, "TemplateStage": "Processed"}), found, what
    )
    if not answer:
        return None
    template = parse_document(answer.get("TemplateBody"))
    resources = template.get("Resources") if isinstance(template, Mapping) else None
    if not isinstance(resources, Mapping):
        found.gap(what, "its template is no JSON")
        return None
    return {
        str(name): RETAIN
        for name, resource in resources.items()
        if isinstance(resource, Mapping) and resource.get("DeletionPolicy") in RETAINED
    }


def _short(stack: str) -> str:
    """Return a stack's name, of its name or its id."""
    return stack.split("/")[1] if stack.startswith("arn:") and stack.count("/") else stack


# ------------------------------------------------------------------------------------------- what no stack has


def parameters_path(app_id: str, environment: str) -> str:
    """Return the path under which the Amplify CLI stores the secrets of functions."""
    return f"/amplify/{app_id}/{environment}/"


def _read_parameters(app_id: str, environment: str, found: Inventory) -> Reads[None]:
    # The names: GetParametersByPath would answer with the values.
    path = parameters_path(app_id, environment)
    filters = [{"Key": "Path", "Option": "Recursive", "Values": [path.rstrip("/")]}]
    rows = yield from read_pages(
        Ask("ssm", "DescribeParameters", {"ParameterFilters": filters}),
        "Parameters",
        found,
        f"the parameters in {path}",
    )
    found.things += [Thing(environment, PARAMETER, str(row["Name"])) for row in rows if row.get("Name")]


def read_app(app_id: str, found: Inventory) -> Reads[None]:
    """Read what goes with the Amplify app itself."""
    found.things.append(Thing("", APP, app_id))
    ask = Ask("amplify", "ListBranches", {"appId": app_id})
    rows = yield from read_pages(ask, "branches", found, f"the branches of app {app_id}", token="nextToken")  # noqa: S106
    found.things += [Thing("", BRANCH, str(row["branchName"])) for row in rows if row.get("branchName")]


# ----------------------------------------------------------------------------------------------------- the counts


def read_counts(found: Inventory) -> Reads[None]:
    """Read how many users and items would go, and whether deletion protection is in the way."""
    counted = 0
    for place, thing in enumerate(found.things):
        if thing.stays not in ("", UNKNOWN) or thing.type not in (USER_POOL, TABLE):
            continue
        counted += 1
        if counted > MOST_COUNTS:
            found.gap("counts", f"there are more than {MOST_COUNTS} user pools and tables")
            return
        protected = yield from (_count_users if thing.type == USER_POOL else _count_items)(thing, found)
        found.things[place] = replace(thing, protected=protected)


def _count_users(pool: Thing, found: Inventory) -> Reads[bool | None]:
    ask = Ask("cognito-idp", "DescribeUserPool", {"UserPoolId": pool.id})
    answer = yield from read(ask, found, f"the users of {pool}")
    described = (answer or {}).get("UserPool") or {}
    _count(found, "users", pool.id, described.get("EstimatedNumberOfUsers"))
    return described.get("DeletionProtection") == "ACTIVE" if answer else None


def _count_items(table: Thing, found: Inventory) -> Reads[bool | None]:
    ask = Ask("dynamodb", "DescribeTable", {"TableName": table.id})
    answer = yield from read(ask, found, f"the items of {table}")
    described = (answer or {}).get("Table") or {}
    _count(found, "items", table.id, described.get("ItemCount"))
    return bool(described.get("DeletionProtectionEnabled")) if answer else None


def _count(found: Inventory, kind: str, name: str, number: Any) -> None:
    if isinstance(number, int):
        found.counts.setdefault(kind, {})[name] = number


# ------------------------------------------------------------------------------------------------------ the reads


def read(ask: Ask, found: Inventory, what: str, *, hides: bool = False) -> Reads[Mapping[str, Any] | None]:
    """Return an answer; None if there is no such thing, and an empty one if it cannot be read, which is then noted."""
    try:
        return (yield ask)
    except UnreadableError as error:
        if error.is_missing and not (error.is_ambiguous and (yield from _may_be_there(ask))):
            return None
        found.gap(what, error, hides=hides)
        return {}


def _may_be_there(ask: Ask) -> Reads[bool]:
    """Tell whether AWS Amplify, too, knows the environment of a read of AmplifyBackend's, or any if it names none."""
    app_id, environment = ask.request["AppId"], ask.request.get("BackendEnvironmentName")
    try:
        if not environment:
            return bool((yield from list_environments(app_id)))
        yield Ask("amplify", "GetBackendEnvironment", {"appId": app_id, "environmentName": environment})
    except UnreadableError as unknown:
        return not unknown.is_missing
    return True


def read_pages(
    ask: Ask,
    member: str,
    found: Inventory,
    what: str,
    *,
    token: str = "NextToken",  # noqa: S107
    most: int = MOST_PAGES,
) -> Reads[list[Mapping[str, Any]]]:
    """Return the rows of all pages of a listing."""
    rows: list[Mapping[str, Any]] = []
    request, tokens = dict(ask.request), set()
    for _ in range(most):
        page = (yield from read(Ask(ask.service, ask.operation, request), found, what, hides=True)) or {}
        rows += [row for row in page.get(member) or [] if isinstance(row, Mapping)]
        following = page.get(token)
        if not following or following in tokens:
            return rows
        tokens.add(following)
        request = {**ask.request, token: following}
    found.gap(what, f"there are more than {most} pages", hides=True)
    return rows
