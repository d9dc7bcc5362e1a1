"""The labels of mapped tasks in the UI: the names that they are mapped over instead of 0, 1, 2."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

# What can tell mapped tasks apart, names before ids. A session's id could, too, but is a secret.
_NAMES = ("target_environment_name", "backend_environment_name", "resource_name", "bucket_name", "job_id", "app_id")
_LONGEST = 250  # of Airflow's column


class NamedMapIndex:
    """A task that is labelled with its environment, resource, job or app, whichever of them it is mapped over.

    Airflow renders the label from ``map_index_template``: of a mapped task it reads that from ``partial(...)`` only, in
    a mapped task group from the task itself. Where the DAG sets one, that is used.
    """

    template_fields: Any

    if not TYPE_CHECKING:  # as Airflow declares it, so that type checkers see its parameters

        @classmethod
        def partial(cls, **kwargs: Any) -> Any:
            """Fix some parameters of a mapped task; the label is made of the names that are left to ``expand``."""
            partial = super().partial(**kwargs)
            if partial.kwargs.get("map_index_template") is None:
                fixed = {*kwargs, *_default_parameters(partial.kwargs)}
                partial.kwargs["map_index_template"] = _template(cls, lambda name: name not in fixed)
            return partial

        @property
        def map_index_template(self) -> str | None:
            """The template of the label: the DAG's, or one of the names that a mapped task group varies."""
            if self._map_index_template is None and self.get_closest_mapped_task_group() is not None:
                return _template(type(self), lambda name: hasattr(getattr(self, name, None), "resolve"))
            return self._map_index_template

        @map_index_template.setter
        def map_index_template(self, template: str | None) -> None:
            self._map_index_template = template

    def map_label(self, map_index: int, names: Iterable[str]) -> str:
        """Return the label, which a template calls with the rendered parameters; the index where nothing has a name."""
        values = filter(None, (getattr(self, name, None) for name in names))
        text = ", ".join(map(str, values)) or str(map_index)
        text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        # Native rendering makes a number of a text that looks like one, and Airflow takes texts only.
        return f"#{text}" if _is_literal(text) and self._renders_natively() else text

    def _renders_natively(self) -> bool:
        return bool(getattr(self.get_dag(), "render_template_as_native_obj", False))  # type: ignore[attr-defined]


def _template(task_class: type[NamedMapIndex], varies: Callable[[str], bool]) -> str | None:
    names = [name for name in _NAMES if name in task_class.template_fields and varies(name)]
    if "target_environment_name" in names and "backend_environment_name" in names:
        names.remove("backend_environment_name")
    # `task` still has the unrendered parameters in Airflow 3.0.
    return f"{{{{ ti.task.map_label(ti.map_index, {names}) }}}}" if names else None


def _default_parameters(fixed: dict[str, Any]) -> set[str]:
    """Return the parameters that the DAG or a task group gives to all of its tasks."""
    owners = [fixed.get("dag"), fixed.get("task_group")]
    names: set[str] = set()
    while owners:
        owner = owners.pop()
        if owner is not None:
            names.update(getattr(owner, "default_args", None) or ())
            owners.append(getattr(owner, "parent_group", None))
    return names


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
