"""CloudFormation stacks: of each environment a root and one nested stack per resource, and those that a seed makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from airflow_provider_amplifybackend.local.service.errors import validation_error
from airflow_provider_amplifybackend.local.service.stack import DELETED, NESTED, Stack, StackResource
from airflow_provider_amplifybackend.local.service.store import Store

# Says of a resource whether it stays behind although its stack goes.
Stays = Callable[[StackResource], bool]


def nothing_stays(resource: StackResource) -> bool:
    return False


class StackBook(Protocol):
    """The stacks of all accounts and regions: in this service's own state, or in moto's CloudFormation."""

    def all(self, store: Store) -> Iterable[Stack]:
        """Return all stacks, those that are deleted too."""

    def by_id(self, store: Store, stack_id: str) -> Stack | None: ...

    def put(self, store: Store, stack: Stack) -> None:
        """Make a stack, or give one that exists these resources, outputs, policy, protection and times."""

    def delete(self, store: Store, stack: Stack, at: float, stays: Stays = nothing_stays) -> None:
        """Delete a stack with its resources and nested stacks; `Retain` and `stays` keep a resource."""

    def template(self, store: Store, stack: Stack) -> str: ...


def find(book: StackBook, store: Store, name_or_id: str) -> Stack | None:
    """Return the live stack of a name, or any stack of an id."""
    stack = book.by_id(store, name_or_id)
    if stack is not None:
        return stack
    return next((one for one in book.all(store) if one.name == name_or_id and one.is_live), None)


def existing(book: StackBook, store: Store, name_or_id: str) -> Stack:
    stack = find(book, store, name_or_id)
    if stack is None:
        raise validation_error(f"Stack with id {name_or_id} does not exist")
    return stack


def is_protected(book: StackBook, store: Store, stack: Stack) -> bool:
    """Return true under termination protection, which nested stacks have from their root."""
    root = book.by_id(store, stack.root_id) if stack.root_id else stack
    return root is not None and root.termination_protection


def refuse_protected(book: StackBook, store: Store, stack: Stack) -> None:
    if is_protected(book, store, stack):
        raise validation_error(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")


class OwnStacks:
    """Stacks as a part of this service's own state.

    :param remove: is told of each resource that goes with its stack.
    """

    def __init__(self, remove: Callable[[Store, StackResource], None]) -> None:
        self._remove = remove

    def all(self, store: Store) -> Iterable[Stack]:
        return list(store.stacks.values())

    def by_id(self, store: Store, stack_id: str) -> Stack | None:
        return store.stacks.get(stack_id)

    def put(self, store: Store, stack: Stack) -> None:
        store.stacks[stack.stack_id] = stack

    def delete(self, store: Store, stack: Stack, at: float, stays: Stays = nothing_stays) -> None:
        for resource in stack.resources:
            if resource.type == NESTED:
                nested = store.stacks.get(resource.physical_id)
                if nested is not None and nested.is_live:
                    self.delete(store, nested, at, stays)
            elif not resource.retain and not stays(resource):
                self._remove(store, resource)
        store.stacks[stack.stack_id] = replace(stack, status=DELETED, deleted=at)

    def template(self, store: Store, stack: Stack) -> str:
        return template_of(stack)


def template_of(stack: Stack) -> str:
    """Return a template with the resources of a stack: their types and deletion policies, and no properties."""
    resources: dict[str, Any] = {}
    for resource in stack.resources:
        policy = {"DeletionPolicy": "Retain"} if resource.retain else {}
        resources[resource.logical_id] = {"Type": resource.type, **policy}
    outputs = {_alphanumeric(name): {"Value": value} for name, value in stack.outputs.items()}
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources, "Outputs": outputs})


def _alphanumeric(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isalnum())
