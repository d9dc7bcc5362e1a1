"""What every benchmark prints and writes: a table, goals with what was reached, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tabulate import tabulate

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "boto3", "botocore", "aiobotocore")


@dataclass
class Goal:
    """A goal, and what was measured for it: None where it was not."""

    what: str
    reached: bool | None
    measured: str

    def __str__(self) -> str:
        word = {True: "reached", False: "NOT reached", None: "not measured"}[self.reached]
        return f"goal: {self.what}: {word} ({self.measured})"


@dataclass
class Report:
    """Collects one benchmark's results, prints them as they come, and writes them at the end."""

    name: str
    settings: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # So that what the benchmark has started ends with it.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self._started = time.time()
        say(f"{self.name}: {', '.join(f'{key} {value}' for key, value in self.settings.items())}")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        print(f"\n{title}\n" if title else "")
        print(tabulate([[cell(value) for value in row] for row in rows], headers, tablefmt="github"))
        print(flush=True)

    def goal(self, what: str, reached: bool | None, measured: str) -> None:
        self.goals.append(Goal(what, reached, measured))
        print(self.goals[-1], flush=True)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(f"note: {text}", flush=True)

    def write(self) -> Path:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        content = {
            "benchmark": self.name,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
            "seconds": round(time.time() - self._started, 1),
            "machine": machine(),
            "settings": self.settings,
            "goals": [asdict(goal) for goal in self.goals],
            "notes": self.notes,
            "results": self.rows,
            **self.more,
        }
        path.write_text(json.dumps(content, indent=1) + "\n")
        print(f"\nwritten: {path.relative_to(Path(__file__).parents[1])}", flush=True)
        return path


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: version(name) for name in _PACKAGES},
    }


def cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def ratio(peer: float | None, ours: float | None) -> float | None:
    """How many times as much the peer takes; None where one of them was not measured."""
    return None if peer is None or ours is None or ours <= 0 else peer / ours


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which a share of all lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))] if ordered else None


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)
