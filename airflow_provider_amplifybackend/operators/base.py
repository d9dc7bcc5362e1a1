"""The old place of the base classes, for whoever imports them from here."""

from __future__ import annotations

from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator as AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator as AmplifyBackendJobOperator
