"""The old place of the base class of the sensors, for whoever imports it from here."""

from __future__ import annotations

from airflow_provider_amplifybackend.sensors._base import WaitSensor as WaitSensor
