from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from tests.guard.roads import Road


@dataclass
class Tally:
    """What the campaign has seen."""

    roads: set[str] = field(default_factory=set)
    destructive: int = 0
    reached: set[str] = field(default_factory=set)

    def closed(self, road: Road, requests: list[str]) -> None:
        self.roads.add(road.name)
        self.destructive += len(requests)

    def open(self, road: Road, requests: list[str]) -> None:
        if requests:
            self.reached.add(road.name)


TALLY = Tally()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.roads and TALLY.reached:
        terminalreporter.write_line(
            f"roads {len(TALLY.roads)} · destructive requests {TALLY.destructive} · "
            f"with the guard off {len(TALLY.reached)}"
        )
