"""Operations that take a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.parameters.reading import shown


class ConfiguredResource(AmplifyBackendOperator):
    """An operation with a ``resource_config``, which may be a file, and so may its ``TransformSchema``."""

    template_ext: Sequence[str] = (".json", ".graphql")
    template_fields_renderers: ClassVar[dict[str, str]] = {"resource_config": "json"}

    def build_request(self) -> dict[str, Any]:
        """Return the request. Files are read when the task's parameters are rendered."""
        request = super().build_request()
        schema = request.get("ResourceConfig", {}).get("TransformSchema", "")
        if schema.endswith(".graphql") and "{" not in schema:
            raise BackendParameterError(
                f"{self.task_id}: resource_config.TransformSchema={shown(schema)} is a file name, not a schema"
            )
        return request
