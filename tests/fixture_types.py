"""The types of the fixtures that many tests take, where the fixture's own class does not say it already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.dag_run import Finished

Pace = Callable[..., None]
"""Changes the delays of a test: ``pace(first_check=0.05)``."""
Names = Callable[[], list[str]]
"""Reads names from the service: of environments, or of the operations that took effect."""
Journal = Callable[..., list[dict[str, Any]]]
"""The requests of an operation, from the service's journal."""
WriteFile = Callable[[str, Any], None]
"""Writes a file of this name and content beside the DAG files."""
MakeConnection = Callable[..., str]
"""Makes an Airflow connection, and returns its id."""
RunExample = Callable[..., Finished]
"""Runs an example DAG with these parameters."""
SeedJob = Callable[..., None]
"""Gives the service a job with these members."""
