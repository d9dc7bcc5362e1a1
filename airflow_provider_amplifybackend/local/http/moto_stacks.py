"""The stacks of environments as real ones in moto's CloudFormation, beside those that anybody else makes there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

# Eagerly, so that a dependency of moto's that is missing is named at the start and not by the first request.
from moto.cloudformation.models import Stack as MotoStack

from airflow_provider_amplifybackend.local.http.moto_resources import backend
from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.errors import validation_error
from airflow_provider_amplifybackend.local.service.stack import DELETED, NESTED, Stack, StackResource
from airflow_provider_amplifybackend.local.service.stacks import Stays, nothing_stays, template_of

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.service.store import Store

# Any: for type checkers the class is abstract.
_make: Any = MotoStack
Remove = Callable[["Store", StackResource], None]


@dataclass
class _Adopted:
    """A resource that was made outside of moto's CloudFormation and goes with its stack, unless it is retained."""

    logical_resource_id: str
    physical_resource_id: str
    cf_resource_type: str
    remove: Callable[[], None]

    def delete(self, account_id: str, region_name: str) -> None:
        self.remove()

    def is_created(self) -> bool:
        return True


class MotoStacks:
    """moto's stacks: of ours, moto has the status, the policy and the protection, and the state has the rest.

    :param remove: removes one of our resources, when moto deletes its stack.
    """

    def __init__(self, remove: Remove) -> None:
        self._remove = remove

    def all(self, store: Store) -> Iterable[Stack]:
        cloudformation = _backend_if_any(store)
        if cloudformation is None:
            return []
        theirs = [*cloudformation.stacks.values(), *cloudformation.deleted_stacks.values()]
        return [_seen(store, stack) for stack in theirs]

    def by_id(self, store: Store, stack_id: str) -> Stack | None:
        cloudformation = _backend_if_any(store)
        if cloudformation is None:
            return None
        theirs = cloudformation.stacks.get(stack_id) or cloudformation.deleted_stacks.get(stack_id)
        return None if theirs is None else _seen(store, theirs)

    def put(self, store: Store, stack: Stack) -> None:
        cloudformation = _backend(store)
        theirs = cloudformation.stacks.get(stack.stack_id) or cloudformation.deleted_stacks.get(stack.stack_id)
        if theirs is None or stack.stack_id in store.stacks:
            theirs = self._made(store, stack, theirs)
            store.stacks[stack.stack_id] = stack
        theirs.status = stack.status
        theirs.policy = stack.policy or ""
        theirs.enable_termination_protection = stack.termination_protection
        here, there = cloudformation.stacks, cloudformation.deleted_stacks
        if not stack.is_live:
            here, there = there, here
        there.pop(stack.stack_id, None)
        here[stack.stack_id] = theirs

    def _made(self, store: Store, stack: Stack, before: Any) -> Any:
        """Return a stack of moto's with our resources in the places where moto would make its own."""
        made: Any = _make(
            stack.stack_id, stack.name, template_of(stack), {}, store.account, store.region, tags=dict(stack.tags)
        )
        made.creation_time = datetime.fromtimestamp(stack.created, UTC).replace(tzinfo=None)
        made.events = before.events if before is not None else []
        for resource in stack.resources:
            made.resource_map._parsed_resources[resource.logical_id] = _Adopted(
                resource.logical_id, resource.physical_id, resource.type, self._removal(store, resource)
            )
        return made

    def _removal(self, store: Store, resource: StackResource) -> Callable[[], None]:
        if resource.type == NESTED:
            return lambda: _backend(store).delete_stack(resource.physical_id)
        return lambda: self._remove(store, resource)

    def delete(self, store: Store, stack: Stack, at: float, stays: Stays = nothing_stays) -> None:
        cloudformation = _backend(store)
        theirs = cloudformation.stacks.get(stack.stack_id)
        if theirs is None:
            return
        for resource in stack.resources:
            if resource.type == NESTED and resource.physical_id in cloudformation.stacks:
                self.delete(store, _seen(store, cloudformation.stacks[resource.physical_id]), at, stays)
            if stays(resource):
                # moto deletes what it has parsed.
                theirs.resource_map._parsed_resources.pop(resource.logical_id, None)
        try:
            cloudformation.delete_stack(stack.stack_id)
        except Exception as refusal:  # moto's exceptions share no base that stays
            theirs.status = "DELETE_FAILED"
            cloudformation.stacks[stack.stack_id] = theirs
            raise validation_error(f"Stack [{stack.name}] cannot be deleted: {refusal}") from refusal
        if stack.stack_id in store.stacks:
            store.stacks[stack.stack_id] = replace(stack, status=DELETED, deleted=at)

    def template(self, store: Store, stack: Stack) -> str:
        template = _backend(store).get_stack(stack.stack_id).template
        return template if isinstance(template, str) else json.dumps(template)


def _backend(store: Store) -> Any:
    """Return moto's CloudFormation of an account and region, in which something is to be made.

    :raises AnsweredError: moto does not have the region.
    """
    found = _backend_if_any(store)
    if found is None:
        raise validation_error(f"moto has no region {checks.shown(store.region)}")
    return found


def _backend_if_any(store: Store) -> Any:
    try:
        return backend("cloudformation", store)
    except KeyError:
        return None


def _seen(store: Store, theirs: Any) -> Stack:
    ours = store.stacks.get(theirs.stack_id) or _somebody_elses(theirs)
    return replace(
        ours,
        status=theirs.status,
        policy=theirs.policy or None,
        termination_protection=bool(theirs.enable_termination_protection),
        resources=tuple(_as_in_template(one, theirs) for one in ours.resources),
    )


def _as_in_template(resource: StackResource, theirs: Any) -> StackResource:
    entry = theirs.template_dict.get("Resources", {}).get(resource.logical_id, {})
    return replace(resource, retain=entry.get("DeletionPolicy") == "Retain")


def _somebody_elses(theirs: Any) -> Stack:
    created = theirs.creation_time.replace(tzinfo=UTC).timestamp()
    return Stack(
        theirs.name,
        theirs.stack_id,
        created,
        resources=tuple(_resources(theirs)),
        outputs=_outputs(theirs),
        tags=dict(theirs.tags),
        deleted=created if theirs.status == DELETED else None,
    )


def _resources(theirs: Any) -> Iterable[StackResource]:
    # What is parsed is there. To ask moto for all of them would make those of a change set that nobody has executed.
    for found in list(theirs.resource_map._parsed_resources.values()):
        logical_id = getattr(found, "logical_resource_id", None)
        if logical_id is not None:
            physical_id = getattr(found, "physical_resource_id", None) or logical_id
            yield StackResource(logical_id, str(physical_id), getattr(found, "cf_resource_type", None) or "Unknown")


def _outputs(theirs: Any) -> dict[str, str]:
    with contextlib.suppress(Exception):  # an output may name what is not there yet
        return {one["OutputKey"]: str(one["OutputValue"]) for one in theirs.outputs or []}
    return {}
