from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.guard_tally import TALLY

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.roads:
        terminalreporter.write_line(TALLY.line)
