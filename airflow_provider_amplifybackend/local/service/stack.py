"""A CloudFormation stack with its resources, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NESTED = "AWS::CloudFormation::Stack"
DELETED = "DELETE_COMPLETE"
CREATED = "CREATE_COMPLETE"


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack, under the name that its template has for it and under its own."""

    logical_id: str
    physical_id: str
    type: str
    retain: bool = False
    """Its `DeletionPolicy` is `Retain`: it outlives its stack."""


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation shows it."""

    name: str
    stack_id: str
    created: float
    status: str = CREATED
    resources: tuple[StackResource, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parent_id: str | None = None
    root_id: str | None = None
    policy: str | None = None
    termination_protection: bool = False
    updated: float | None = None
    deleted: float | None = None

    @property
    def is_live(self) -> bool:
        return self.status != DELETED
