"""CloudFormation's reads of stacks, and the few changes by which a sign is set or a stack goes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from airflow_provider_amplifybackend.local.service.errors import validation_error
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.neighbours.pages import UnknownTokenError, page_of
from airflow_provider_amplifybackend.local.service.stack import DELETED, Stack, StackResource
from airflow_provider_amplifybackend.local.service.stacks import (
    StackBook,
    existing,
    find,
    is_protected,
    refuse_protected,
)

_LARGEST_RESOURCES = 100


def _book(invocation: Invocation) -> StackBook:
    return invocation.provisioner.stacks


def _stack(invocation: Invocation) -> Stack:
    name = invocation.parameters.get("StackName")
    if not name:
        raise validation_error("StackName must be given")
    return existing(_book(invocation), invocation.store, name)


def _live_stack(invocation: Invocation) -> Stack:
    stack = _stack(invocation)
    if not stack.is_live:
        raise validation_error(f"Stack [{stack.name}] does not exist")
    return stack


def _page(invocation: Invocation, stacks: Iterable[Stack]) -> tuple[list[Stack], str | None]:
    """Return a page, the newest stack first."""
    rows = ((f"{stack.created:020.6f} {stack.stack_id}", stack) for stack in stacks)
    token, size = invocation.parameters.get("NextToken"), invocation.settings.stack_page_size
    try:
        return page_of(rows, token, size, newest_first=True)
    except UnknownTokenError:
        raise validation_error("NextToken was not issued by this service") from None


def describe_stacks(invocation: Invocation) -> Answer:
    """Describe one stack, of an id also a deleted one; or all that are not deleted."""
    if invocation.parameters.get("StackName"):
        return {"Stacks": [_described(invocation, _stack(invocation))]}
    live = (stack for stack in _book(invocation).all(invocation.store) if stack.is_live)
    page, token = _page(invocation, live)
    return {"Stacks": [_described(invocation, stack) for stack in page], "NextToken": token}


def _described(invocation: Invocation, stack: Stack) -> Answer:
    return {
        **_shown(stack),
        "DisableRollback": False,
        "NotificationARNs": [],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()],
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        "EnableTerminationProtection": is_protected(_book(invocation), invocation.store, stack),
    }


def _shown(stack: Stack) -> Answer:
    """Return the members that ListStacks and DescribeStacks share."""
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "StackStatus": stack.status,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def list_stacks(invocation: Invocation) -> Answer:
    """List stacks, those that are deleted too; nested ones among the others, as CloudFormation does."""
    wanted = invocation.parameters.get("StackStatusFilter")
    stacks = _book(invocation).all(invocation.store)
    page, token = _page(invocation, (stack for stack in stacks if not wanted or stack.status in wanted))
    return {"StackSummaries": [_shown(stack) for stack in page], "NextToken": token}


def get_policy(invocation: Invocation) -> Answer:
    return {"StackPolicyBody": _live_stack(invocation).policy}


def set_policy(invocation: Invocation) -> Answer:
    body = invocation.parameters.get("StackPolicyBody")
    if body is None:
        raise validation_error("StackPolicyBody must be given: this service does not read a StackPolicyURL")
    stack = _live_stack(invocation)
    if not is_policy(body):
        raise validation_error("Error validating stack policy: Invalid stack policy")
    _book(invocation).put(invocation.store, replace(stack, policy=body))
    return {}


def is_policy(body: str) -> bool:
    """Return true for a JSON object with statements."""
    try:
        policy = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(policy, dict) and isinstance(policy.get("Statement"), (list, dict))


def update_termination_protection(invocation: Invocation) -> Answer:
    stack = _live_stack(invocation)
    if stack.root_id is not None:
        raise validation_error(f"Stack [{stack.name}] is nested: its termination protection is that of its root stack")
    protection = invocation.parameters["EnableTerminationProtection"]
    _book(invocation).put(invocation.store, replace(stack, termination_protection=protection))
    return {"StackId": stack.stack_id}


def list_resources(invocation: Invocation) -> Answer:
    stack = _stack(invocation)
    rows = ((resource.logical_id, resource) for resource in stack.resources)
    try:
        page, token = page_of(rows, invocation.parameters.get("NextToken"), _LARGEST_RESOURCES)
    except UnknownTokenError:
        raise validation_error("NextToken was not issued by this service") from None
    shown = [{**_resource(stack, resource), "LastUpdatedTimestamp": _touched(stack)} for resource in page]
    return {"StackResourceSummaries": shown, "NextToken": token}


def describe_resources(invocation: Invocation) -> Answer:
    """Describe the first 100 resources of a stack, or of the stack that has a resource of this physical id."""
    physical, logical = invocation.parameters.get("PhysicalResourceId"), invocation.parameters.get("LogicalResourceId")
    stack = _stack_of(invocation, physical) if physical is not None else _stack(invocation)
    wanted = [resource for resource in stack.resources if logical in (None, resource.logical_id)]
    return {"StackResources": [_placed(stack, resource, "Timestamp") for resource in wanted[:_LARGEST_RESOURCES]]}


def _stack_of(invocation: Invocation, physical_id: str) -> Stack:
    for stack in _book(invocation).all(invocation.store):
        if stack.is_live and any(resource.physical_id == physical_id for resource in stack.resources):
            return stack
    raise validation_error(f"Stack for {physical_id} does not exist")


def describe_resource(invocation: Invocation) -> Answer:
    stack, logical = _stack(invocation), invocation.parameters["LogicalResourceId"]
    for resource in stack.resources:
        if resource.logical_id == logical:
            return {"StackResourceDetail": _placed(stack, resource, "LastUpdatedTimestamp")}
    raise validation_error(f"Resource {logical} does not exist for stack {stack.name}")


def _placed(stack: Stack, resource: StackResource, time_member: str) -> dict[str, Any]:
    place = {"StackName": stack.name, "StackId": stack.stack_id}
    return {**place, **_resource(stack, resource), time_member: _touched(stack)}


def _resource(stack: Stack, resource: StackResource) -> dict[str, Any]:
    gone = DELETED if not resource.retain else "DELETE_SKIPPED"
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ResourceStatus": "CREATE_COMPLETE" if stack.is_live else gone,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def _touched(stack: Stack) -> float:
    return stack.deleted or stack.updated or stack.created


def get_template(invocation: Invocation) -> Answer:
    body = _book(invocation).template(invocation.store, _stack(invocation))
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


def delete_stack(invocation: Invocation) -> Answer:
    """Delete a stack, whatever AmplifyBackend thinks of it; nothing happens where there is none."""
    book, store = _book(invocation), invocation.store
    stack = find(book, store, invocation.parameters["StackName"])
    if stack is None or not stack.is_live:
        return {}
    refuse_protected(book, store, stack)
    kept = frozenset(invocation.parameters.get("RetainResources", ()))
    book.delete(store, stack, invocation.clock.wall(), lambda resource: resource.logical_id in kept)
    return {}


HANDLERS: dict[str, Handler] = {
    "DescribeStacks": describe_stacks,
    "ListStacks": list_stacks,
    "GetStackPolicy": get_policy,
    "SetStackPolicy": set_policy,
    "UpdateTerminationProtection": update_termination_protection,
    "ListStackResources": list_resources,
    "DescribeStackResources": describe_resources,
    "DescribeStackResource": describe_resource,
    "GetTemplate": get_template,
    "DeleteStack": delete_stack,
}
