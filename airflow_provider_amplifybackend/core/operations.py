"""The one table of the service's operations: what each does, to what, and which operation shows that.

Plain data, so that importing it costs nothing. A test compares every row with botocore's model, and fails for an
operation of the API that nobody has classified here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """The effect of an operation on its resource."""

    READS = "reads"
    CREATES = "creates"
    CHANGES = "changes"
    REMOVES = "removes"


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    ``resource`` is the kind of thing that it acts on; ``environment`` the member of its request that names the
    environment which it acts on, None where it acts on the app or on nothing in particular.
    """

    name: str
    effect: Effect
    resource: str
    starts_job: bool = False
    environment: str | None = "BackendEnvironmentName"
    # The operation that shows what this one has created, changed or removed; None where nothing does.
    read: str | None = None
    # An import takes what exists under an id, so that its request names no resource.
    is_import: bool = False
    # Whether its request can hold a secret, which the text of its failed job can repeat.
    takes_secrets: bool = False

    @property
    def only_reads(self) -> bool:
        """Tell whether the operation changes nothing in the service."""
        return self.effect is Effect.READS

    @property
    def may_disturb_a_migration(self) -> bool:
        """Tell whether it touches what is deployed, unlike a new environment or a session of Studio."""
        is_new_environment = self.resource == "environment" and self.effect is Effect.CREATES
        return not self.only_reads and not is_new_environment and self.resource != "token"

    def environments(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the environments its job may live in, as far as the request tells, the likeliest first."""
        names = (request.get("TargetEnvironmentName"), request.get("BackendEnvironmentName"))
        return tuple(name for name in names if name)

    def target_environments(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the environments that its job will hold, so that a pending job there is in its way.

        A clone reads its source; whether two clones may read at once is up to the service.
        """
        name = request.get(self.environment) if self.environment else None
        return (name,) if name else ()


def _job(name: str, effect: Effect, resource: str, read: str | None, **more: Any) -> Operation:
    return Operation(name, effect, resource, starts_job=True, read=read, **more)


_CREATES, _CHANGES, _REMOVES, _READS = Effect.CREATES, Effect.CHANGES, Effect.REMOVES, Effect.READS

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        # Those that start a job.
        _job("CloneBackend", _CREATES, "environment", "GetBackend", environment="TargetEnvironmentName"),
        _job("CreateBackend", _CREATES, "environment", "GetBackend"),
        _job("DeleteBackend", _REMOVES, "environment", "GetBackend"),
        _job("RemoveAllBackends", _REMOVES, "app", "GetBackend", environment=None),
        _job("CreateBackendAuth", _CREATES, "auth", "GetBackendAuth", takes_secrets=True),
        _job("UpdateBackendAuth", _CHANGES, "auth", "GetBackendAuth", takes_secrets=True),
        _job("ImportBackendAuth", _CREATES, "auth", "GetBackend", is_import=True),
        _job("DeleteBackendAuth", _REMOVES, "auth", "GetBackendAuth"),
        _job("CreateBackendAPI", _CREATES, "api", "GetBackendAPI"),
        _job("UpdateBackendAPI", _CHANGES, "api", "GetBackendAPI"),
        _job("DeleteBackendAPI", _REMOVES, "api", "GetBackendAPI"),
        _job("GenerateBackendAPIModels", _CHANGES, "models", None),
        _job("CreateBackendStorage", _CREATES, "storage", "GetBackendStorage"),
        _job("UpdateBackendStorage", _CHANGES, "storage", "GetBackendStorage"),
        _job("ImportBackendStorage", _CREATES, "storage", "GetBackend", is_import=True),
        _job("DeleteBackendStorage", _REMOVES, "storage", "GetBackendStorage"),
        # The API shows no configuration.
        _job("CreateBackendConfig", _CREATES, "config", None, environment=None),
        # Those that change something at once.
        Operation("UpdateBackendConfig", _CHANGES, "config", environment=None),
        Operation("RemoveBackendConfig", _REMOVES, "config", environment=None),
        Operation("UpdateBackendJob", _CHANGES, "job", read="GetBackendJob"),
        Operation("CreateToken", _CREATES, "token", environment=None, read="GetToken"),
        Operation("DeleteToken", _REMOVES, "token", environment=None, read="GetToken"),
        # Those that only read.
        Operation("GetBackend", _READS, "environment"),
        Operation("GetBackendAuth", _READS, "auth"),
        Operation("GetBackendAPI", _READS, "api"),
        Operation("GetBackendAPIModels", _READS, "models"),
        Operation("GetBackendStorage", _READS, "storage"),
        Operation("GetBackendJob", _READS, "job"),
        Operation("ListBackendJobs", _READS, "job"),
        Operation("GetToken", _READS, "token", environment=None),
        Operation("ListS3Buckets", _READS, "bucket", environment=None),
    )
}
JOB_OPERATIONS: dict[str, Operation] = {name: known for name, known in OPERATIONS.items() if known.starts_job}
# The categories of an AmplifyMetaConfig that the service makes itself, and the operation that shows one by its name.
CATEGORIES = {"auth": "GetBackendAuth", "api": "GetBackendAPI", "storage": "GetBackendStorage"}
