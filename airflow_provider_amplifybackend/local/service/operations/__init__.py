"""The effect of each API operation on the state, one module per resource."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service.invocation import Handler
from airflow_provider_amplifybackend.local.service.operations import (
    api,
    auth,
    config,
    environment,
    job,
    storage,
    token,
)

HANDLERS: dict[str, Handler] = {
    name: handler
    for module in (environment, auth, api, storage, config, token, job)
    for name, handler in module.HANDLERS.items()
}
