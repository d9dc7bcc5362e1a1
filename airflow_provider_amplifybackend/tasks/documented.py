"""A short documentation of tasks in Airflow's UI, where the DAG gives none: what the operator does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

API = "https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/"
# Each of them is shown as the task's documentation.
_GIVEN = ("_doc_md", "doc", "doc_md", "doc_json", "doc_yaml", "doc_rst")


class DocumentedTask:
    """A task that is documented by its operator, unless the DAG does."""

    if not TYPE_CHECKING:  # as Airflow declares it, so that type checkers see its parameters

        @classmethod
        def partial(cls, **kwargs: Any) -> Any:
            """Fix some parameters of a mapped task."""
            partial = super().partial(**kwargs)
            if _is_undocumented(partial.kwargs):
                partial.kwargs["doc_md"] = short_text(cls)
            return partial

        @property
        def doc_md(self) -> str | None:
            """The documentation of the task in Markdown: the DAG's, or that of the operator."""
            return short_text(type(self)) if _is_undocumented(vars(self)) else vars(self).get("_doc_md")

        @doc_md.setter
        def doc_md(self, text: str | None) -> None:
            vars(self)["_doc_md"] = text


def _is_undocumented(given: Mapping[str, Any]) -> bool:
    return all(given.get(name) is None for name in _GIVEN)


@lru_cache(maxsize=256)
def short_text(task_class: type) -> str | None:
    """Return the first paragraph of a class's docstring in Markdown, with its operation; None if it has none."""
    paragraph = (inspect.getdoc(task_class) or "").partition("\n\n")[0].replace("\n", " ")
    text = re.sub(r":\w+:`~?([^`<]*\.)?([^`<]+)`", r"`\2`", paragraph).replace("``", "`")
    operation = getattr(task_class, "api_operation", None)
    more = f" Operation of AmplifyBackend: [{operation}]({API}{operation})." if operation else ""
    return f"{text}{more}" if text else None
