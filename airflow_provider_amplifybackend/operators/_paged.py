"""Operations that list something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.limits import as_optional_whole

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context


class PagedOperator(AmplifyBackendOperator):
    """An operation that lists something, over all pages.

    :param max_items: Maximum number of items to return. Default: all. (templated)
    """

    items_member: ClassVar[str]
    template_fields: Sequence[str] = (*AmplifyBackendOperator.template_fields, "max_items")

    readers = AmplifyBackendOperator.readers | {"max_items": partial(as_optional_whole, least=1)}

    def __init__(self, *, max_items: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_items = max_items

    def execute(self, context: Context) -> Any:
        """List everything, up to ``max_items``."""
        self.store_links(context)
        self.validate()
        limit, token = self._limit(), None
        items: list[Any] = []
        pages = self.hook.pages(
            self.api_operation,
            self.build_request(),
            adapt=lambda request: {**request, **self._page_size(request, limit - len(items))},
        )
        for page in pages:
            items += page.get(self.items_member, [])
            token = page.get("NextToken")
            if len(items) >= limit:
                break
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
