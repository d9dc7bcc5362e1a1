"""Defaults that operators and sensors take from Airflow's configuration."""

from __future__ import annotations

from airflow_provider_amplifybackend._compat import conf

DEFAULT_DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)
