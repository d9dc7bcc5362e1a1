"""The old place of jobs and intents, for whoever imports them from here."""

from __future__ import annotations

from airflow_provider_amplifybackend.core.job import Job, JobRef, JobResult, Outcome
from airflow_provider_amplifybackend.core.operations import JOB_OPERATIONS, Effect
from airflow_provider_amplifybackend.start.intent import Intent, Round

__all__ = ["JOB_OPERATIONS", "Effect", "Intent", "Job", "JobRef", "JobResult", "Outcome", "Round"]
