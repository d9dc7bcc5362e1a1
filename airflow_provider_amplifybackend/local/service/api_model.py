"""The API as botocore describes it, and what follows from its members' names alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from botocore.loaders import create_loader
from botocore.model import ServiceModel, Shape, StructureShape

SERVICE_NAME = "amplifybackend"

# The members that name an environment: its own, and the one that a clone makes.
ENVIRONMENT_MEMBERS = ("BackendEnvironmentName", "TargetEnvironmentName")


@functools.cache
def service_model() -> ServiceModel:
    # Not through a session, which would look for the profile that the user's shell names.
    return ServiceModel(create_loader().load_service_model(SERVICE_NAME, "service-2"), SERVICE_NAME)


def input_members(operation: str) -> Mapping[str, Shape]:
    return _members(service_model().operation_model(operation).input_shape)


def output_members(operation: str) -> Mapping[str, Shape]:
    return _members(service_model().operation_model(operation).output_shape)


def _members(shape: StructureShape | None) -> Mapping[str, Shape]:
    return {} if shape is None else shape.members


def named_environments(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the environments that a request names; None or anything else stands where it is not well formed."""
    return tuple(parameters.get(member) for member in ENVIRONMENT_MEMBERS)
