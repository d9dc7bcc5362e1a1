"""AWS Amplify's control API: what stands in no module here answers that it is not built."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service.invocation import Handler
from airflow_provider_amplifybackend.local.service.neighbours import apps, branches, tags

HANDLERS: dict[str, Handler] = {**apps.HANDLERS, **branches.HANDLERS, **tags.HANDLERS}
