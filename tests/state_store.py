"""Airflow's task state store, in memory: the one that all tests of starts share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.start.intent import STORE_KEY, Intent


class Crash(BaseException):
    """The process dies here."""


def nothing(moment: str) -> None:
    """Let the process live."""


@dataclass
class StateStore:
    """A task state store as Airflow's: JSON, no None, and it survives everything that a process does not."""

    content: dict[str, str] = field(default_factory=dict)
    at: Callable[[str], None] = nothing
    """Called with `before write` and `after write`; may raise."""
    history: list[str] = field(default_factory=list)
    """Every text that was ever stored."""
    dies_before_write: int | None = None
    """The number of the write at which the process dies, before it is done."""
    dies_after_write: int | None = None
    """The same, once it is done."""

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.content[key]) if key in self.content else default

    def set(self, key: str, value: Any) -> None:
        assert not _holds_none(value), f"Airflow takes no None: {value}"
        text = json.dumps(value, allow_nan=False)
        number = len(self.history) + 1
        self._may_die(number == self.dies_before_write)
        self.at("before write")
        self.content[key] = text
        self.history.append(text)
        self._may_die(number == self.dies_after_write)
        self.at("after write")

    def delete(self, key: str) -> None:
        self.content.pop(key, None)

    @property
    def intent(self) -> Intent:
        """The intent that is stored."""
        intent = Intent.from_stored(self.get(STORE_KEY))
        assert intent is not None
        return intent

    def _may_die(self, now: bool) -> None:
        if now:
            raise Crash


def _holds_none(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_none, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_none, value))
    return value is None
