"""Environments and resources made and removed, with their outputs, stacks, and counterparts in other services."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Protocol

from airflow_provider_amplifybackend.local.service import stack_outputs, stack_parts
from airflow_provider_amplifybackend.local.service.errors import validation_error
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.stack import Stack, StackResource
from airflow_provider_amplifybackend.local.service.stacks import OwnStacks, StackBook, refuse_protected
from airflow_provider_amplifybackend.local.service.store import RESOURCE_KINDS, App, Environment, Resource, Store


class Observer(Protocol):
    """The other AWS services: told of everything that exists there too, which the one for moto makes there."""

    @property
    def stacks(self) -> StackBook:
        """CloudFormation, by which everything goes again."""

    def created(self, store: Store, kind: str, outputs: dict[str, str], config: dict[str, Any]) -> None:
        """Make an auth or api resource, of which a template tells too little."""

    def made(self, store: Store, resource: StackResource, moment: float) -> None:
        """Make a bucket, a role or a table."""

    def removed(self, store: Store, resource: StackResource) -> None:
        """Remove a resource, as CloudFormation does with its stack."""

    def forgotten(self, store: Store, app_id: str, environment: str) -> None:
        """Remove what belongs to an environment and to no stack."""

    def buckets(self, store: Store) -> dict[str, float]: ...

    def account_of(self, access_key_id: str) -> str | None: ...

    def opened(self) -> None:
        """Take note of a start."""

    def closed(self) -> None:
        """Take note of a stop."""

    def reset(self) -> None: ...


class NoObserver:
    """No other services: the buckets and stacks are those that the state itself knows."""

    def __init__(self) -> None:
        self.stacks: StackBook = OwnStacks(self.removed)

    def created(self, store: Store, kind: str, outputs: dict[str, str], config: dict[str, Any]) -> None:
        pass

    def made(self, store: Store, resource: StackResource, moment: float) -> None:
        if resource.type == stack_parts.BUCKET:
            store.buckets.setdefault(resource.physical_id, moment)

    def removed(self, store: Store, resource: StackResource) -> None:
        if resource.type == stack_parts.BUCKET:
            store.buckets.pop(resource.physical_id, None)

    def forgotten(self, store: Store, app_id: str, environment: str) -> None:
        pass

    def buckets(self, store: Store) -> dict[str, float]:
        return store.buckets

    def account_of(self, access_key_id: str) -> str | None:
        return None

    def opened(self) -> None:
        pass

    def closed(self) -> None:
        pass

    def reset(self) -> None:
        pass


class Provisioner:
    """Make and remove environments and resources with their outputs and stacks."""

    def __init__(self, observer: Observer, settings: Callable[[], Settings] = Settings) -> None:
        self.observer = observer
        self._settings = settings

    @property
    def stacks(self) -> StackBook:
        return self.observer.stacks

    # Environments

    def add_environment(self, store: Store, app: App, name: str, moment: float) -> Environment:
        environment = self.register_environment(store, app, name, moment)
        self._build(store, stack_parts.root_stack(app, environment, moment), moment)
        return environment

    def register_environment(self, store: Store, app: App, name: str, moment: float) -> Environment:
        """Make an environment that is a name and no more: its stack is somebody else's, or not there."""
        ids = store.new_ids(app.app_id, name)
        provider = stack_outputs.provider_outputs(store, app, name, ids)
        environment = Environment(name, ids, provider, created=moment, updated=moment)
        app.environments[name] = environment
        return environment

    def drop_environment(
        self, store: Store, app: App, environment: Environment, moment: float, leaves: Collection[str] = ()
    ) -> None:
        """Delete the root stack, and with it everything that is in it and does not stay; then forget the name.

        :param leaves: what stays behind all the same (`stack_parts.LEFTOVERS`).
        :raises AnsweredError: The stack is under termination protection.
        """
        root = self.root_of(store, environment)
        if root is not None and root.is_live:
            if self._settings().protected_stack == "fails":
                refuse_protected(self.stacks, store, root)
            if "stack" not in leaves:
                self.stacks.delete(store, root, moment, lambda one: stack_parts.leftover_kind(one) in leaves)
        if not {"stack", "parameters"} & set(leaves):
            self.observer.forgotten(store, app.app_id, environment.name)
        app.environments.pop(environment.name, None)

    def ensure_stack(self, store: Store, app: App, environment: Environment, moment: float) -> Stack:
        """Return an environment's live root stack, made where there is none."""
        root = self.root_of(store, environment)
        if root is None or not root.is_live:
            root = stack_parts.root_stack(app, environment, moment)
            self._build(store, root, moment)
        return root

    def nested_of(self, store: Store, root: Stack) -> list[Stack]:
        return [stack for stack in self.stacks.all(store) if stack.root_id == root.stack_id and stack.is_live]

    def root_of(self, store: Store, environment: Environment) -> Stack | None:
        return self.stacks.by_id(store, environment.provider["StackId"])

    # Resources

    def add_resource(
        self, store: Store, environment: Environment, kind: str, name: str, config: dict[str, Any], moment: float
    ) -> Resource:
        root = self.root_of(store, environment)
        if root is None or not root.is_live:
            raise validation_error(f"Stack [{environment.provider['StackName']}] does not exist")
        ids = _resource_ids(environment, kind, name)
        outputs = self._outputs(store, environment, kind, name, config)
        # First elsewhere: what another service refuses does not exist here either.
        self.observer.created(store, kind, outputs, config)
        resource = Resource(name, copy.deepcopy(config), outputs)
        parts = stack_parts.resources_of(kind, environment.name, outputs, config)
        nested = replace(stack_parts.nested_stack(store, root, kind, name, ids, parts, moment), outputs=outputs)
        self._build(store, nested, moment)
        part = stack_parts.nested_resource(kind, name, ids, nested)
        self.stacks.put(store, replace(root, resources=(*root.resources, part), updated=moment))
        resource.stack_id = nested.stack_id
        environment.resources(kind)[name] = resource
        environment.updated = moment
        return resource

    def _build(self, store: Store, stack: Stack, moment: float) -> None:
        for resource in stack.resources:
            self.observer.made(store, resource, moment)
        self.stacks.put(store, stack)

    def _outputs(
        self, store: Store, environment: Environment, kind: str, name: str, config: dict[str, Any]
    ) -> dict[str, str]:
        ids = _resource_ids(environment, kind, name)
        secret = self._settings().native_client_secret
        return stack_outputs.resource_outputs(kind, store, environment, ids, name, config, client_secret=secret)

    def import_resource(
        self, environment: Environment, kind: str, name: str, config: dict[str, Any], outputs: dict[str, str]
    ) -> Resource:
        """Take over what exists elsewhere: nothing is made, and nothing goes when the resource does."""
        resource = Resource(name, copy.deepcopy(config), dict(outputs), imported=True)
        environment.resources(kind)[name] = resource
        return resource

    def drop_resource(self, store: Store, environment: Environment, kind: str, name: str, moment: float) -> None:
        resource = environment.resources(kind).pop(name)
        environment.updated = moment
        if resource.stack_id is None:
            return
        nested, root = self.stacks.by_id(store, resource.stack_id), self.root_of(store, environment)
        if nested is not None and nested.is_live:
            self.stacks.delete(store, nested, moment)
        if root is not None and root.is_live:
            rest = tuple(part for part in root.resources if part.physical_id != resource.stack_id)
            self.stacks.put(store, replace(root, resources=rest, updated=moment))

    def copy_resources(self, store: Store, source: Environment, target: Environment, moment: float) -> None:
        for kind in RESOURCE_KINDS:
            for name, original in source.resources(kind).items():
                if original.imported:
                    copied = self.import_resource(target, kind, name, original.config, original.outputs)
                else:
                    copied = self.add_resource(
                        store,
                        target,
                        kind,
                        name,
                        stack_outputs.cloned_config(kind, original.config, target.name),
                        moment,
                    )
                copied.models = original.models

    def refresh(self, store: Store, environment: Environment, kind: str, resource: Resource, moment: float) -> None:
        """Work out the outputs again after an update; ids stay, an API key or a table may come or go."""
        environment.updated = moment
        if resource.stack_id is None:
            return
        resource.outputs = self._outputs(store, environment, kind, resource.name, resource.config)
        nested = self.stacks.by_id(store, resource.stack_id)
        if nested is None or not nested.is_live:
            return
        wanted = stack_parts.resources_of(kind, environment.name, resource.outputs, resource.config)
        parts = self._replaced(store, nested.resources, wanted, moment)
        self.stacks.put(store, replace(nested, resources=parts, outputs=resource.outputs, updated=moment))

    def _replaced(
        self, store: Store, had: tuple[StackResource, ...], wanted: tuple[StackResource, ...], moment: float
    ) -> tuple[StackResource, ...]:
        """Make what is new, remove what is no longer wanted, and leave alone what stays."""
        known = {part.physical_id: part for part in had}
        parts = tuple(known.pop(part.physical_id, part) for part in wanted)
        for part in parts:
            if part not in had:
                self.observer.made(store, part, moment)
        for gone in known.values():
            if not gone.retain:
                self.observer.removed(store, gone)
        return parts


def _resource_ids(environment: Environment, kind: str, name: str) -> Ids:
    return environment.ids.child(kind, name)
