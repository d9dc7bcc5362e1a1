"""The old place of errors of calls and of waits, for whoever imports them from here."""

from __future__ import annotations

from airflow_provider_amplifybackend.core.requests import Call, FaultKind, ServiceError
from airflow_provider_amplifybackend.core.status_check import Condition
from airflow_provider_amplifybackend.core.waiting import Wait

__all__ = ["Call", "Condition", "FaultKind", "ServiceError", "Wait"]
