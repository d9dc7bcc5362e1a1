"""The side of an app that AWS Amplify has: its settings, tags and branches, with their jobs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"SUCCEED", "FAILED", "CANCELLED"})


@dataclass
class BranchJob:
    """A build of a branch; its status follows from the clock."""

    job_id: str
    job_type: str
    started: float
    ends: float | None
    """None: it never ends."""
    outcome: str = "SUCCEED"
    commit: dict[str, Any] = field(default_factory=dict)

    def status(self, now: float) -> str:
        if self.ends is None or now < self.ends:
            return "RUNNING" if now > self.started else "PENDING"
        return self.outcome

    def stop(self, now: float) -> None:
        self.ends, self.outcome = now, "CANCELLED"


@dataclass
class ShownTags:
    """Tags as they are shown while they lag behind: a service may go on to show for a while what was."""

    _before: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    """When tags were changed, and what they were until then."""

    def changes(self, tags: dict[str, str], now: float) -> None:
        """Take note of tags that are about to be changed."""
        self._before.append((now, dict(tags)))
        del self._before[:-_MOST_CHANGES]

    def shown(self, tags: dict[str, str], moment: float) -> dict[str, str]:
        """Return the tags as they were at a moment."""
        return dict(next((before for changed, before in self._before if changed > moment), tags))


_MOST_CHANGES = 1000


@dataclass
class Branch:
    """A branch of an app, with the settings that its Create and Update operations gave."""

    name: str
    created: float
    updated: float
    settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, BranchJob] = field(default_factory=dict)

    def next_job_id(self) -> str:
        return str(max((int(job_id) for job_id in self.jobs), default=0) + 1)


@dataclass
class Hosting:
    """The settings that CreateApp and UpdateApp gave, environment variables among them; tags and branches."""

    created: float = 0.0
    updated: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    shown_tags: ShownTags = field(default_factory=ShownTags)
    branches: dict[str, Branch] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        variables: dict[str, str] = self.settings.get("environmentVariables", {})
        return variables

    def snapshot(self) -> dict[str, Any]:
        return {
            "created": self.created,
            "updated": self.updated,
            "settings": copy.deepcopy(self.settings),
            "tags": dict(self.tags),
            "branches": {
                name: {"tags": dict(branch.tags), "jobs": sorted(branch.jobs, key=int)}
                for name, branch in self.branches.items()
            },
        }
