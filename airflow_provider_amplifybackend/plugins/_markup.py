"""The links, times and headers that the pages share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from airflow_provider_amplifybackend.core.job import duration_text
from airflow_provider_amplifybackend.fleet.markup import Markup, tag
from airflow_provider_amplifybackend.fleet.report import own_text, policy
from airflow_provider_amplifybackend.links import AmplifyConsoleLink, AmplifyStudioLink, link_addresses

PAGE_SCRIPTS = (own_text("links.js", __package__ or ""),)
TABLE_SCRIPTS = (own_text("report.js"), *PAGE_SCRIPTS)
# A region becomes part of a host name, and may come from a file that anybody has written.
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,2}-[1-9][0-9]?")
_LATE = 1.5
# Seconds after which a reading is called old.
OLD = 2 * 3600
_DAY = 86400


def headers(scripts: Sequence[str]) -> dict[str, str]:
    """Return the headers of a page with these scripts: it loads nothing, and only Airflow itself may frame it."""
    return {
        "Content-Security-Policy": f"{policy(scripts)}; frame-ancestors 'self'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def environment_addresses(region: str, app_id: str, environment: str) -> dict[str, str]:
    """Return the addresses of an environment by the names of their links; none if its names are none."""
    if not (_REGION.fullmatch(region) and app_id and environment):
        return {}
    addresses = link_addresses(region, app_id, environment)
    return {link.name: addresses[link.key] for link in (AmplifyConsoleLink, AmplifyStudioLink)}


def outside_link(text: str, address: str) -> Markup:
    """Return a link to AWS, in a tab of its own."""
    return tag("a", text, href=address, target="_blank", rel="noopener noreferrer")


def task_link(text: str, up: str, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Markup:
    """Return a link to a task instance in Airflow.

    :param up: The way from the page to Airflow's root.
    """
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    parts = [quote(part, safe="") for part in (dag_id, run_id, task_id)]
    return tag("a", text, href=f"{up}dags/{parts[0]}/runs/{parts[1]}/tasks/{parts[2]}{mapped}", target="_top")


def minutes(time: datetime) -> str:
    """Return a time to the minute, as people read it."""
    return f"{time.astimezone(tz=time.tzinfo):%Y-%m-%d %H:%M} {time.tzname()}"


def age_text(time: datetime | None, now: float) -> str:
    """Return how long ago something was read, where that is long; otherwise nothing."""
    seconds = 0 if time is None else now - time.timestamp()
    if seconds < OLD:
        return ""
    return f"{seconds // 3600:.0f} hours ago" if seconds < 2 * _DAY else f"{seconds // _DAY:.0f} days ago"


def tone(state: str) -> str:
    """Return the class of a text about a task of this state."""
    return {"success": "good", "failed": "high", "upstream_failed": "high", "up_for_retry": "medium"}.get(
        state, "plain"
    )


def elapsed_text(seconds: float | None, usual: float | None) -> str:
    """Return how long a job has run, against how long such jobs usually take."""
    if seconds is None:
        return "since an unknown time"
    text = f"for {duration_text(seconds)}"
    if usual is None:
        return f"{text}; no earlier job to compare with"
    compared = "longer than usual, which is" if seconds > usual * _LATE else "usually"
    return f"{text}, {compared} {duration_text(usual)}"
