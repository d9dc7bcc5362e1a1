"""Operators between the base and the operations: those with a configuration, that list, create or remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.operators.base import AmplifyBackendJobOperator, AmplifyBackendOperator
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.reading import as_choice, as_optional_number, shown

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context


FAIL_OR_SKIP = partial(as_choice, accepted=("fail", "skip"))


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
                f"{self.task_id}: resource_config.TransformSchema={shown(schema)} is the name of a file, and no schema"
            )
        return request


class PagedOperator(AmplifyBackendOperator):
    """An operation that lists something, over all pages.

    :param max_items: How many to return at most. Default: all. (templated)
    """

    items_member: ClassVar[str]
    template_fields: Sequence[str] = (*AmplifyBackendOperator.template_fields, "max_items")

    readers = AmplifyBackendOperator.readers | {"max_items": partial(as_optional_number, least=1)}

    def __init__(self, *, max_items: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_items = max_items

    def execute(self, context: Context) -> Any:
        """List everything, up to ``max_items``."""
        self.store_links(context)
        self.validate()
        request, limit = self.build_request(), self._limit()
        items: list[Any] = []
        while True:
            page = self.hook.call(self.api_operation, request | self._page_size(request, limit - len(items)))
            items += page.get(self.items_member, [])
            token = page.get("NextToken")
            if not token or len(items) >= limit:
                break
            request["NextToken"] = token
        # A token for the next page would skip what the limit has cut off from this one.
        rest = {"NextToken": token} if token and len(items) == limit else {}
        return self.publish(context, {self.items_member: items[: int(min(limit, len(items)))]} | rest)

    def _limit(self) -> float:
        limit = self.read("max_items")
        return float("inf") if limit is None else float(limit)

    def _page_size(self, request: Mapping[str, Any], left: float) -> dict[str, int]:
        """Return the size of the next page, so that the listing can end with it, where the operation takes one."""
        shape = service_model.input_shape(self.api_operation).members.get("MaxResults")
        if shape is None:
            return {}
        return {"MaxResults": int(min(left, request.get("MaxResults") or shape.metadata["max"]))}


class CreatingOperator(AmplifyBackendJobOperator):
    """Start a job that creates something.

    :param if_exists: What to do if it exists already: ``"fail"``, or ``"skip"``: succeed with what exists. What a
        failed job left behind does not count as existing.
    """

    template_fields: Sequence[str] = (*AmplifyBackendJobOperator.template_fields, "if_exists")
    readers = AmplifyBackendJobOperator.readers | {"if_exists": FAIL_OR_SKIP}

    def __init__(self, *, if_exists: str = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_exists = if_exists


class RemovingOperator(AmplifyBackendJobOperator):
    """Start a job that removes something.

    :param if_missing: What to do if there is nothing to remove: ``"fail"``, or ``"skip"``: succeed.
    """

    template_fields: Sequence[str] = (*AmplifyBackendJobOperator.template_fields, "if_missing")
    readers = AmplifyBackendJobOperator.readers | {"if_missing": FAIL_OR_SKIP}

    def __init__(self, *, if_missing: str = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.if_missing = if_missing
