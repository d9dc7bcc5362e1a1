"""The former home of the base classes, kept for existing imports."""

from __future__ import annotations

from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator as AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator as AmplifyBackendJobOperator
