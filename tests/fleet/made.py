"""Rows as an inventory has them, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_amplifybackend.fleet.rows import COLUMNS, Place

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PLACE = Place("aws_default", "us-east-1", NOW, timedelta(hours=2))


def row(environment: str = "dev", **members: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "kind": "environment",
        "connection": "aws_default",
        "region": "us-east-1",
        "app_id": "d1",
        "app_name": "shop",
        "environment": environment,
        "attention": [],
        "health": "ok",
        "age_days": 3.0,
        "idle_days": 1.0,
        "jobs": 2,
        "jobs_are_complete": True,
        "failed_jobs": 0,
        "stuck_jobs": [],
        "running_jobs": [],
        "lease": "",
        "protection": [],
        "migration": "none",
        "gen2": "ready",
        "resources": [],
        "unreadable": [],
    }
    return dict.fromkeys(COLUMNS) | plain | members


def finding(level: str, text: str = "something") -> dict[str, str]:
    return {"level": level, "text": text}


def resource(name: str = "people", **members: Any) -> dict[str, Any]:
    plain = {"category": "auth", "name": name, "service": "Cognito", "imported": False, "ids": {}, "note": ""}
    return plain | {"generate": "supported", "refactor": "supported"} | members
