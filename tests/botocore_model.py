"""botocore's model of the service, where a test knows that a shape is a structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

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


def all_members_of(shape: Any, inside: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all members of a shape, however deep."""
    if shape is None or shape.name in inside:
        return
    for name, member in getattr(shape, "members", {}).items():
        yield name
        yield from all_members_of(member, (*inside, shape.name))
    if shape.type_name == "list":
        yield from all_members_of(shape.member, (*inside, shape.name))
