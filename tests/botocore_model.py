"""botocore's model of the service, where a test knows that a shape is a structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.model import StructureShape

from airflow_provider_amplifybackend.parameters.service_model import service_model

if TYPE_CHECKING:
    from botocore.model import Shape


def members_of(shape: Shape | None) -> Mapping[str, Shape]:
    """Return the members of a structure."""
    assert isinstance(shape, StructureShape)
    return shape.members


def answer_of(operation: str) -> Mapping[str, Shape]:
    """Return the members of an operation's answer."""
    return members_of(service_model().operation_model(operation).output_shape)
