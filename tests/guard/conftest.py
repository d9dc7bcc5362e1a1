from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

# What a test of the campaign has seen of a road: with the guard, and with the guard off. Also from other processes.
CLOSED, OPEN = "closed road", "open road"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seen: dict[str, dict[str, int]] = {CLOSED: {}, OPEN: {}}
    for report in _reports(terminalreporter):
        for name, value in report.user_properties:
            if name in seen:
                road, requests = value
                seen[name][road] = seen[name].get(road, 0) + requests
    if seen[CLOSED] and seen[OPEN]:
        terminalreporter.write_line(
            f"roads {len(seen[CLOSED])} · destructive requests {sum(seen[CLOSED].values())} · "
            f"with the guard off {sum(requests > 0 for requests in seen[OPEN].values())}"
        )


def _reports(terminalreporter: pytest.TerminalReporter) -> list[Any]:
    found = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    return [report for report in found if getattr(report, "when", None) == "call"]
