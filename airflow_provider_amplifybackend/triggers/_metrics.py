"""The metrics of this package, through Airflow's own statistics (StatsD or OpenTelemetry, as configured)."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_amplifybackend._compat import stats

PREFIX = "amplifybackend"


def count(name: str) -> None:
    """Count an event."""
    stats().incr(f"{PREFIX}.{name}")


def gauge(name: str, value: float) -> None:
    """Report a current amount."""
    stats().gauge(f"{PREFIX}.{name}", value)


def timing(name: str, seconds: float) -> None:
    """Report a duration."""
    stats().timing(f"{PREFIX}.{name}", timedelta(seconds=seconds))
