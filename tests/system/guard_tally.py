"""The count of roads on a running Airflow, for the last line of the test run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """What has been seen: each road leads to what is protected or locked, and the same one to what is not."""

    roads: set[str] = field(default_factory=set)
    destructive: int = 0
    reached: set[str] = field(default_factory=set)

    @property
    def line(self) -> str:
        return (
            f"running Airflow: roads {len(self.roads)} · destructive requests {self.destructive} · "
            f"to what is not protected {len(self.reached)}"
        )


TALLY = Tally()
