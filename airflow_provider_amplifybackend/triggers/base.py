"""The old place of the base class of the triggers, for whoever imports it from here."""

from __future__ import annotations

from airflow_provider_amplifybackend.triggers._base import WaitTrigger as WaitTrigger
