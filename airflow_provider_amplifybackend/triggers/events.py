"""The old place of the events of the triggers, for whoever reads one with it."""

from __future__ import annotations

from airflow_provider_amplifybackend.triggers._events import check_event as check_event
from airflow_provider_amplifybackend.triggers._events import job_of_event as job_of_event
