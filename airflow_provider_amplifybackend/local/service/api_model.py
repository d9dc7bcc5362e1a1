"""The APIs as botocore describes them, and what follows from their members' names alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from botocore.loaders import create_loader
from botocore.model import ServiceModel, Shape, StructureShape

SERVICE_NAME = "amplifybackend"
# What stands beside AmplifyBackend in the life of an environment: the app that it belongs to, the stacks that it is.
AMPLIFY = "amplify"
CLOUDFORMATION = "cloudformation"
SERVICES = (SERVICE_NAME, AMPLIFY, CLOUDFORMATION)

# The members that name an app, and those that name an environment: its own, and the one that a clone makes.
APP_MEMBERS = ("AppId", "appId")
ENVIRONMENT_MEMBERS = ("BackendEnvironmentName", "TargetEnvironmentName", "environmentName")


@functools.cache
def service_model(service: str = SERVICE_NAME) -> ServiceModel:
    # Not through a session, which would look for the profile that the user's shell names.
    return ServiceModel(create_loader().load_service_model(service, "service-2"), service)


@functools.cache
def service_of(operation: str) -> str | None:
    """Return the service that has an operation: no two of them have one of the same name (a test)."""
    return next((service for service in SERVICES if operation in service_model(service).operation_names), None)


def input_members(operation: str) -> Mapping[str, Shape]:
    return _members(service_model().operation_model(operation).input_shape)


def output_members(operation: str) -> Mapping[str, Shape]:
    return _members(service_model().operation_model(operation).output_shape)


def _members(shape: StructureShape | None) -> Mapping[str, Shape]:
    return {} if shape is None else shape.members


def named_app(parameters: Mapping[str, Any]) -> Any:
    """Return the app that a request names; None or anything else stands where it is not well formed."""
    return next((parameters[member] for member in APP_MEMBERS if member in parameters), None)


def named_environments(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the environments that a request names; None or anything else stands where it is not well formed."""
    return tuple(parameters.get(member) for member in ENVIRONMENT_MEMBERS)
