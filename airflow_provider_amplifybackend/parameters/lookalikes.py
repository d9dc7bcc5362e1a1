"""Configurations in a format of another tool, and a sentence on what to pass instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from airflow_provider_amplifybackend.core.secrets import redact_secrets

MOST_LISTED = 4
LONGEST_NAME = 40

_CLIENT_LIBRARIES = "a configuration of the Amplify client libraries"
# What each file is, and the members that only it has: any of them, at the top.
_FILES: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "a headless request of the Amplify CLI, or its cli-inputs.json",
        frozenset({"serviceConfiguration", "serviceModification"}),
    ),
    (
        "a part of a headless request of the Amplify CLI",
        frozenset(
            {
                "userPoolConfiguration",
                "userPoolModification",
                "identityPoolConfiguration",
                "identityPoolModification",
                "includeIdentityPool",
                "requiredSignupAttributes",
                "signinMethod",
            }
        ),
    ),
    (
        "the Amplify CLI's cli-inputs.json",
        frozenset(
            {
                "cognitoConfig",
                "policyUUID",
                "storageAccess",
                "guestAccess",
                "authAccess",
                "groupAccess",
                "userPoolGroupList",
                "usernameAttributes",
                "requiredAttributes",
                "useDefault",
                "partitionKey",
                "triggerFunctions",
            }
        ),
    ),
    ("the Amplify CLI's cli-inputs.json or api-params.json of a REST API", frozenset({"paths", "functionArns"})),
    (
        "the Amplify CLI's storage-params.json",
        frozenset({"groupPermissionMap", "groupPolicyMap", "groupList", "AttributeDefinitions", "KeySchema"}),
    ),
    (
        "the Amplify CLI's parameters.json",
        frozenset(
            {
                "resourceNameTruncated",
                "allowUnauthenticatedIdentities",
                "autoVerifiedAttributes",
                "authSelections",
                "mfaConfiguration",
                "userpoolClientGenerateSecret",
                "passwordPolicyMinLength",
                "hostedUIProviderMeta",
                "AppSyncApiName",
                "AuthCognitoUserPoolId",
                "DynamoDBBillingMode",
                "DynamoDBEnableServerSideEncryption",
                "authPolicyName",
                "unauthPolicyName",
                "selectedGuestPermissions",
                "selectedAuthenticatedPermissions",
                "s3PermissionsAuthenticatedPublic",
                "emailVerificationMessage",
                "smsVerificationMessage",
                "smsAuthenticationMessage",
                "verificationBucketName",
                "serviceType",
                "partitionKeyName",
                "authRoleName",
                "unauthRoleName",
                "AuthRoleArn",
                "rootStackParameters",
            }
        ),
    ),
    ("the Amplify CLI's amplify-meta.json", frozenset({"providers"})),
    ("the Amplify CLI's cli.json", frozenset({"features"})),
    (
        "a file of the Amplify CLI's .config folder (project-config.json or local-env-info.json)",
        frozenset({"projectName", "projectPath", "envName"}),
    ),
    ("the Amplify CLI's transform.conf.json", frozenset({"ResolverConfig", "ElasticsearchWarning"})),
    ("a CloudFormation template", frozenset({"AWSTemplateFormatVersion", "Resources", "Outputs"})),
    ("a file of CloudFormation parameters", frozenset({"ParameterKey", "Parameters"})),
    (_CLIENT_LIBRARIES, frozenset({"aws_project_region", "UserAgent"})),
)
# Members of a request, and of no configuration in it, spelled in any way.
_OF_A_REQUEST = frozenset({"resourceconfig", "loginauthconfig", "appid", "backendenvironmentname"})
# Members by which the Amplify CLI's files name the kind of a resource.
_OF_A_RESOURCE = frozenset({"providerPlugin", "awscloudformation", "providerMetadata"})


def lookalike(path: str, config: Mapping[Any, Any], members: Collection[str]) -> str | None:
    """Return a sentence about a dictionary that is something else altogether, and None if it seems to be none.

    :param members: What the API accepts in its place.
    """
    instead = f"pass the API's own members instead ({', '.join(members)})" if members else "pass nothing instead"
    names = {str(name) for name in config}
    if _OF_A_REQUEST & set(map(_plain, names)):
        return (
            f"{path} is a whole request or response of the API ({listed(sorted(names))}): pass only its configuration "
            f"here, and the other members as parameters of their own"
        )
    own = {name for name in names if name in members or in_another_spelling([name], members)}
    others = names - own
    if file := next((file for file, marks in _FILES if others & marks), None) or _by_content(config, others):
        return f"{path} is {file}, which the API does not take: {instead}"
    # The API's members begin with a capital: one that does, too, is misspelled, or belongs to another operation.
    if own or not any(name[:1].islower() for name in names):
        return None
    return (
        f"{path} is in another format than the API's ({listed(sorted(names))}), such as that of the Amplify CLI's "
        f"files and requests: {instead}"
    )


def _by_content(config: Mapping[Any, Any], names: set[str]) -> str | None:
    if {"version", "userPoolId"} <= names:
        return "a headless request of the Amplify CLI"
    if "version" in names and names & {"auth", "data", "storage"}:
        return "the amplify_outputs.json of Amplify Gen 2"
    if any(name.startswith("aws_") for name in names):
        return _CLIENT_LIBRARIES
    categories = [config, *(category for category in config.values() if isinstance(category, Mapping))]
    resources = [resource for category in categories for resource in category.values() if isinstance(resource, Mapping)]
    if any(_OF_A_RESOURCE & set(map(str, inner)) for inner in (*categories, *resources)):
        return "a file of the Amplify CLI's backend folder (backend-config.json, team-provider-info.json or the like)"
    return None


def lookalike_list(path: str, config: Any, members: Collection[str]) -> str | None:
    """Return a sentence about a list that is a file of another tool, such as one of CloudFormation parameters."""
    first = next(iter(config), None) if isinstance(config, list | tuple) else None
    return lookalike(path, first, members) if isinstance(first, Mapping) else None


def in_another_spelling(names: Iterable[str], members: Collection[str]) -> dict[str, str]:
    """Return the API's spelling of the names that are its members but for case, underscores and hyphens."""
    by_plain_name = {_plain(member): member for member in members}
    return {name: by_plain_name[_plain(name)] for name in names if _plain(name) in by_plain_name}


def listed(names: Iterable[str]) -> str:
    """Return a short list of names."""
    every = [*names]
    few = ", ".join(map(cut, every[:MOST_LISTED]))
    return few if len(every) <= MOST_LISTED else f"{few} and {len(every) - MOST_LISTED} more"


def cut(name: str) -> str:
    """Return a name that fits into a message, without a secret that stands in it."""
    name = redact_secrets(name)
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def _plain(name: str) -> str:
    return re.sub("[_-]", "", name).lower()
