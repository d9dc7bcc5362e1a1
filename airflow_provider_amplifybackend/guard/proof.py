"""The proof of a deletion: what should be gone is looked for, and what is still there is named.

Nothing is deleted here. Whoever reads of a leftover gets the page of the console and the command that deletes it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from airflow_provider_amplifybackend.guard.inventory import (
    API,
    APP,
    BRANCH,
    BUCKET,
    ENVIRONMENT,
    IDENTITY_POOL,
    PARAMETER,
    ROLE,
    STACK,
    TABLE,
    UNKNOWN,
    USER_POOL,
    Gap,
    Reads,
    Thing,
)
from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError

# The deployment bucket's template says Retain, and the service deletes it all the same: that it is gone is no surprise.
DEPLOYMENT_BUCKET = "DeploymentBucket"


@dataclass(frozen=True)
class Look:
    """The way to look for one type of things, and what to do about one that is still there."""

    service: str
    operation: str
    # The request, of the app's id and the thing.
    request: Callable[[str, Thing], dict[str, Any]]
    # Its page in the console, after the host; `{region}` and `{id}` are filled in.
    page: str
    # The command that deletes it.
    command: str
    # The state that an answer shows; None: it is gone, or going.
    state: Callable[[Mapping[str, Any]], str | None] = lambda answer: "EXISTS"


def _stack_state(answer: Mapping[str, Any]) -> str | None:
    states = [str(stack.get("StackStatus")) for stack in answer.get("Stacks") or []]
    return next((state for state in states if state != "DELETE_COMPLETE"), None)


def _table_state(answer: Mapping[str, Any]) -> str | None:
    state = str((answer.get("Table") or {}).get("TableStatus") or "EXISTS")
    return None if state == "DELETING" else state


def _parameter_state(answer: Mapping[str, Any]) -> str | None:
    return "EXISTS" if answer.get("Parameters") else None


def _last_part(thing: Thing) -> str:
    """Return the id of an API: CloudFormation knows it by its ARN."""
    return thing.id.rpartition("/")[2]


LOOKS: dict[str, Look] = {
    ENVIRONMENT: Look(
        "amplify",
        "GetBackendEnvironment",
        lambda app_id, thing: {"appId": app_id, "environmentName": thing.id},
        "/amplify/home?region={region}#/{app}",
        "aws amplify delete-backend-environment --region {region} --app-id {app} --environment-name {id}",
    ),
    APP: Look(
        "amplify",
        "GetApp",
        lambda app_id, thing: {"appId": thing.id},
        "/amplify/home?region={region}#/{id}",
        "aws amplify delete-app --region {region} --app-id {id}",
    ),
    BRANCH: Look(
        "amplify",
        "GetBranch",
        lambda app_id, thing: {"appId": app_id, "branchName": thing.id},
        "/amplify/home?region={region}#/{app}",
        "aws amplify delete-branch --region {region} --app-id {app} --branch-name {id}",
    ),
    STACK: Look(
        "cloudformation",
        "DescribeStacks",
        lambda app_id, thing: {"StackName": thing.id},
        "/cloudformation/home?region={region}#/stacks/stackinfo?stackId={id}",
        "aws cloudformation delete-stack --region {region} --stack-name {id}",
        _stack_state,
    ),
    BUCKET: Look(
        "s3",
        "HeadBucket",
        lambda app_id, thing: {"Bucket": thing.id},
        "/s3/buckets/{id}?region={region}",
        "aws s3 rb s3://{id} --region {region} --force",
    ),
    USER_POOL: Look(
        "cognito-idp",
        "DescribeUserPool",
        lambda app_id, thing: {"UserPoolId": thing.id},
        "/cognito/v2/idp/user-pools/{id}/users?region={region}",
        "aws cognito-idp delete-user-pool --region {region} --user-pool-id {id}",
    ),
    IDENTITY_POOL: Look(
        "cognito-identity",
        "DescribeIdentityPool",
        lambda app_id, thing: {"IdentityPoolId": thing.id},
        "/cognito/v2/identity/identity-pools/{id}?region={region}",
        "aws cognito-identity delete-identity-pool --region {region} --identity-pool-id {id}",
    ),
    API: Look(
        "appsync",
        "GetGraphqlApi",
        lambda app_id, thing: {"apiId": _last_part(thing)},
        "/appsync/home?region={region}#/{id}/v1/home",
        "aws appsync delete-graphql-api --region {region} --api-id {id}",
    ),
    TABLE: Look(
        "dynamodb",
        "DescribeTable",
        lambda app_id, thing: {"TableName": thing.id},
        "/dynamodbv2/home?region={region}#table?name={id}",
        "aws dynamodb delete-table --region {region} --table-name {id}",
        _table_state,
    ),
    ROLE: Look(
        "iam",
        "GetRole",
        lambda app_id, thing: {"RoleName": thing.id},
        "/iam/home#/roles/details/{id}",
        "aws iam delete-role --role-name {id}",
    ),
    PARAMETER: Look(
        "ssm",
        "DescribeParameters",
        lambda app_id, thing: {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [thing.id]}]},
        "/systems-manager/parameters/{id}/description?region={region}",
        "aws ssm delete-parameter --region {region} --name {id}",
        _parameter_state,
    ),
}


@dataclass
class Proof:
    """The findings about what had been there before a deletion."""

    app_id: str
    region: str
    gone: list[Thing] = field(default_factory=list)
    # Still there, and should not be: with the state that it is in.
    left: list[tuple[Thing, str]] = field(default_factory=list)
    # Still there, as planned.
    kept: list[Thing] = field(default_factory=list)
    # Gone, and should have stayed.
    missing: list[Thing] = field(default_factory=list)
    unknown: list[Gap] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a result and a record have it."""
        return {
            "gone": len(self.gone),
            "leftovers": self.leftovers,
            "kept": [{**_identity(thing), "why": thing.stays} for thing in self.kept],
            "missing": [_identity(thing) for thing in self.missing],
            "unknown": [gap.to_dict() for gap in self.unknown],
        }

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing is left behind, and nothing may be: what cannot be read is not proven gone."""
        return not self.left and not self.unknown

    @property
    def leftovers(self) -> list[dict[str, str]]:
        """Everything that is left behind, each with its page in the console and the command that deletes it."""
        return [
            {
                **_identity(thing),
                "state": state,
                "console": console_link(self.region, self.app_id, thing),
                "command": delete_command(self.region, self.app_id, thing),
            }
            for thing, state in self.left
        ]


def _identity(thing: Thing) -> dict[str, str]:
    members = {"environment": thing.environment, "type": thing.type, "id": thing.id, "stack": thing.stack}
    return {name: text for name, text in members.items() if text}


def console_link(region: str, app_id: str, thing: Thing) -> str:
    """Return the page of a thing in the console."""
    host = "https://console.aws.amazon.com" if thing.type == ROLE else f"https://{region}.console.aws.amazon.com"
    return host + LOOKS[thing.type].page.format(
        region=quote(region, safe=""), app=quote(app_id, safe=""), id=quote(_plain_id(thing), safe="")
    )


def delete_command(region: str, app_id: str, thing: Thing) -> str:
    """Return the AWS CLI command that deletes a thing, quoted for the shell."""
    return LOOKS[thing.type].command.format(
        region=shlex.quote(region), app=shlex.quote(app_id), id=shlex.quote(_plain_id(thing))
    )


def _plain_id(thing: Thing) -> str:
    return _last_part(thing) if thing.type == API else thing.id


def can_be_looked_for(things: Iterable[Thing]) -> list[Thing]:
    """Return what can be looked for; everything else goes with its stack, which can."""
    return [thing for thing in things if thing.type in LOOKS]


def look_for(proof: Proof, things: Iterable[Thing]) -> Reads[None]:
    """Look for things once, and note what is seen."""
    for thing in can_be_looked_for(things):
        look = LOOKS[thing.type]
        try:
            state = look.state((yield Ask(look.service, look.operation, look.request(proof.app_id, thing))))
        except UnreadableError as error:
            if not error.is_missing:
                proof.unknown.append(Gap(str(thing), str(error)))
                continue
            state = None
        _note(proof, thing, state)


def _note(proof: Proof, thing: Thing, state: str | None) -> None:
    if thing.stays == UNKNOWN and state is not None:
        proof.unknown.append(
            Gap(str(thing), f"{state}, and its stack's template, which says whether it stays, was unreadable")
        )
    elif thing.stays in ("", UNKNOWN):
        proof.gone.append(thing) if state is None else proof.left.append((thing, state))
    elif state is not None:
        proof.kept.append(thing)
    else:
        (proof.gone if thing.logical_id == DEPLOYMENT_BUCKET else proof.missing).append(thing)
