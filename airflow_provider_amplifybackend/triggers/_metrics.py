"""What this package counts, through Airflow's own statistics (StatsD or OpenTelemetry, as Airflow is configured)."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_amplifybackend._compat import stats

PREFIX = "amplifybackend"


def count(name: str) -> None:
    """Count something that happened."""
    stats().incr(f"{PREFIX}.{name}")


def gauge(name: str, value: float) -> None:
    """Say how much there is of something now."""
    stats().gauge(f"{PREFIX}.{name}", value)


def timing(name: str, seconds: float) -> None:
    """Say how long something took."""
    stats().timing(f"{PREFIX}.{name}", timedelta(seconds=seconds))
