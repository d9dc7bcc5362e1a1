"""Operations that take a configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.parameters.reading import shown

# One line that ends as files do, and has nothing of a schema: neither braces nor directives nor comments.
_is_file_name = re.compile(r"[^\r\n{}()@#\"]+\.\w{1,9}").fullmatch


class ConfiguredResource(AmplifyBackendOperator):
    """An operation with a ``resource_config``, which may be a file, and so may its ``TransformSchema``."""

    template_ext: Sequence[str] = (".json", ".graphql")
    template_fields_renderers: ClassVar[dict[str, str]] = {"resource_config": "json"}

    def build_request(self) -> dict[str, Any]:
        """Return the request. Files are read when the task's parameters are rendered."""
        request = super().build_request()
        schema = request.get("ResourceConfig", {}).get("TransformSchema", "")
        if _is_file_name(schema.strip()):
            raise BackendParameterError(
                f"{self.task_id}: resource_config.TransformSchema={shown(schema)} is a file name, not a schema; only a "
                "name that ends in .graphql, in lower case and without blanks around it, is read"
            )
        return request
