"""Environments and resources made and removed, with their outputs, buckets and counterparts in other services."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_amplifybackend.local.service import stack_outputs
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import RESOURCE_KINDS, App, Environment, Resource, Store


class Observer(Protocol):
    """The other AWS services: told of everything that exists there too, which the one for moto makes there."""

    def created(self, store: Store, kind: str, outputs: dict[str, str], config: dict[str, Any]) -> None: ...

    def removed(self, store: Store, kind: str, outputs: dict[str, str]) -> None: ...

    def buckets(self, store: Store) -> dict[str, float]: ...

    def account_of(self, access_key_id: str) -> str | None: ...

    def reset(self) -> None: ...


class NoObserver:
    """No other services: the buckets are those that the state itself knows."""

    def created(self, store: Store, kind: str, outputs: dict[str, str], config: dict[str, Any]) -> None:
        pass

    def removed(self, store: Store, kind: str, outputs: dict[str, str]) -> None:
        pass

    def buckets(self, store: Store) -> dict[str, float]:
        return store.buckets

    def account_of(self, access_key_id: str) -> str | None:
        return None

    def reset(self) -> None:
        pass


class Provisioner:
    """Make and remove environments and resources with their outputs."""

    def __init__(self, observer: Observer, settings: Callable[[], Settings] = Settings) -> None:
        self.observer = observer
        self._settings = settings

    def add_environment(self, store: Store, app: App, name: str, moment: float) -> Environment:
        ids = store.new_ids(app.app_id, name)
        environment = Environment(name, ids, stack_outputs.provider_outputs(store, app, name, ids))
        app.environments[name] = environment
        self._make(store, "bucket", stack_outputs.deployment_bucket(environment), {}, moment)
        return environment

    def drop_environment(self, store: Store, app: App, environment: Environment) -> None:
        for kind in RESOURCE_KINDS:
            for name in list(environment.resources(kind)):
                self.drop_resource(store, environment, kind, name)
        self._unmake(store, "bucket", stack_outputs.deployment_bucket(environment))
        app.environments.pop(environment.name, None)

    def add_resource(
        self,
        store: Store,
        environment: Environment,
        kind: str,
        name: str,
        config: dict[str, Any],
        moment: float,
    ) -> Resource:
        outputs = self._outputs(store, environment, kind, name, config)
        # First elsewhere: what another service refuses does not exist here either.
        self._make(store, kind, outputs, config, moment)
        resource = Resource(name, copy.deepcopy(config), outputs)
        environment.resources(kind)[name] = resource
        return resource

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

    def drop_resource(self, store: Store, environment: Environment, kind: str, name: str) -> None:
        resource = environment.resources(kind).pop(name)
        if not resource.imported:
            self._unmake(store, kind, resource.outputs)

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

    def refresh(self, store: Store, environment: Environment, kind: str, resource: Resource) -> None:
        """Work out the outputs again after an update; ids stay, an API key may come or go."""
        if not resource.imported:
            resource.outputs = self._outputs(store, environment, kind, resource.name, resource.config)

    def _make(self, store: Store, kind: str, outputs: dict[str, str], config: dict[str, Any], moment: float) -> None:
        if "BucketName" in outputs:
            store.buckets.setdefault(outputs["BucketName"], moment)
        self.observer.created(store, kind, outputs, config)

    def _unmake(self, store: Store, kind: str, outputs: dict[str, str]) -> None:
        if "BucketName" in outputs:
            store.buckets.pop(outputs["BucketName"], None)
        self.observer.removed(store, kind, outputs)


def _resource_ids(environment: Environment, kind: str, name: str) -> Ids:
    return environment.ids.child(kind, name)
