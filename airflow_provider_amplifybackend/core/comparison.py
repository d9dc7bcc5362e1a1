"""Comparison of the result of a completed job with what was requested.

A job row names an operation and an environment, and nothing else. So a job that was found by looking may be somebody
else's with another configuration, which is only seen in what it left. What can be compared:

- creating or updating auth, an API or storage: every member of the request's configuration, except secrets, and
  what GetBackendAuth is known to leave out;
- deleting one of them: it is gone (the row does not say which one was deleted);
- importing a user pool or a bucket: the ids in the environment's outputs;
- creating or cloning an environment: it exists (the row of a clone may live in its source).

Nothing can be compared for GenerateBackendAPIModels and CreateBackendConfig, and nor can an environment's source. A
completed DeleteBackend or RemoveAllBackends did what any other of its kind would have done: what exists after it came
later, and is not to be deleted.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from airflow_provider_amplifybackend.core import meta_config
from airflow_provider_amplifybackend.core.operations import CATEGORIES, JOB_OPERATIONS, Effect, Operation
from airflow_provider_amplifybackend.core.requests import Call, ServiceError, list_environments, says_missing
from airflow_provider_amplifybackend.core.same_text import is_same_text
from airflow_provider_amplifybackend.core.secret_names import is_secret_name

Comparison = Generator[Call, Mapping[str, Any], str | None]

# Members of an import's request and the outputs that show them.
IMPORTED = {
    "UserPoolId": "UserPoolId",
    "NativeClientId": "AppClientID",
    "WebClientId": "AppClientIDWeb",
    "IdentityPoolId": "IdentityPoolId",
    "BucketName": "BucketName",
}
# The service may leave these out of what it shows (amplify-studio#190).
LEFT_OUT = frozenset({"AdditionalConstraints"})
# Names to which Amplify may append the environment's, after a hyphen or an underscore.
SUFFIXED = frozenset({"UserPoolName", "IdentityPoolName", "BucketName"})


def difference(api_operation: str, request: Mapping[str, Any]) -> Comparison:
    """Return how the service differs from a request whose job has completed; None if it shows no difference.

    The text names members and never holds their values.
    """
    operation = JOB_OPERATIONS[api_operation]
    if operation.is_import:
        return (yield from _import_difference(operation.resource, request))
    if operation.resource in CATEGORIES:
        return (yield from _resource_difference(operation, request))
    if operation.resource == "environment" and operation.effect is Effect.CREATES:
        target = operation.target_environments(request)[0]
        exists = target in (yield from list_environments(request["AppId"]))
        return None if exists else f"environment {target} does not exist"
    return None


def _resource_difference(operation: Operation, request: Mapping[str, Any]) -> Comparison:
    names = {key: request[key] for key in ("AppId", "BackendEnvironmentName", "ResourceName")}
    shown = yield from _read(Call(CATEGORIES[operation.resource], names))
    name = f"{operation.resource} {request['ResourceName']}"
    if operation.effect is Effect.REMOVES:
        return None if shown is None else f"{name} still exists"
    if shown is None:
        return f"{name} does not exist"
    path = differing_member(request.get("ResourceConfig", {}), shown.get("ResourceConfig", {}), "ResourceConfig")
    return f"{name} differs in {path}" if path else None


def _import_difference(resource: str, request: Mapping[str, Any]) -> Comparison:
    names = {key: request[key] for key in ("AppId", "BackendEnvironmentName")}
    shown = yield from _read(Call("GetBackend", names))
    document = (shown or {}).get("AmplifyMetaConfig")
    if shown is None or not (document or names["BackendEnvironmentName"] in shown.get("BackendEnvironmentList", ())):
        return f"environment {names['BackendEnvironmentName']} does not exist"
    if not document:
        return None
    wanted = {output: request[member] for member, output in IMPORTED.items() if request.get(member)}
    for imported in meta_config.category(document, resource).values():
        output = imported.get("output") if isinstance(imported, Mapping) else None
        if isinstance(output, Mapping) and all(output.get(name) == value for name, value in wanted.items()):
            return None
    return f"the environment has no {resource} resource with the imported {', '.join(wanted) or 'resource'}"


def _read(call: Call) -> Generator[Call, Mapping[str, Any], Mapping[str, Any] | None]:
    try:
        return (yield call)
    except ServiceError as error:
        if says_missing(error):
            return None
        raise


def differing_member(wanted: Any, shown: Any, path: str) -> str | None:
    """Return the path of a requested member that the service shows differently; members not requested do not count."""
    if isinstance(wanted, Mapping):
        members = shown if isinstance(shown, Mapping) else {}
        for name, value in wanted.items():
            if is_secret_name(name) or (name in LEFT_OUT and name not in members):
                continue
            found = differing_member(value, members.get(name), f"{path}.{name}")
            if found:
                return found
        return None
    return None if _is_same(wanted, shown, path.rpartition(".")[2]) else path


def _is_same(wanted: Any, shown: Any, name: str) -> bool:
    if shown is None:
        # What is off or empty need not be shown.
        return not wanted
    if isinstance(wanted, list | tuple):
        return isinstance(shown, list | tuple) and _are_same_items(wanted, shown, name)
    if isinstance(wanted, str) and isinstance(shown, str):
        if name in SUFFIXED and shown.startswith((f"{wanted}-", f"{wanted}_")):
            return True
        return is_same_text(wanted, shown, name)
    return bool(wanted == shown)


def _are_same_items(wanted: Any, shown: Any, name: str) -> bool:
    """Tell whether two lists hold the same, in whatever order."""
    rest = list(shown)
    for item in wanted:
        match = next((other for other in rest if differing_member(item, other, name) is None), None)
        if match is None:
            return False
        rest.remove(match)
    return not rest
