"""The Admin UI (Amplify Studio) configuration of an app."""

from __future__ import annotations

import copy
from typing import Any

from airflow_provider_amplifybackend.local.service.effects import CreateConfig, merged
from airflow_provider_amplifybackend.local.service.errors import already_exists, not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.store import App

# Amplify's name for an environment that it makes itself; used for an app that has none.
_FIRST_ENVIRONMENT = "staging"


def create_config(invocation: Invocation) -> Answer:
    """Start a job that lives in an environment that only the answer names (amplify-cli's e2e `adminUI.ts`)."""
    app = invocation.app()
    home = next(iter(app.environments), _FIRST_ENVIRONMENT)
    invocation.refuse_pending(home)
    if app.admin_config is not None:
        raise already_exists(f"Backend config of app {app.app_id}")
    effect = CreateConfig(app, invocation.parameters.get("BackendManagerAppId"))
    return invocation.start(effect, lives_in=(home,))


def update_config(invocation: Invocation) -> Answer:
    app = invocation.app()
    config = _existing(app)
    if "LoginAuthConfig" in invocation.parameters:
        config["LoginAuthConfig"] = merged(config.get("LoginAuthConfig", {}), invocation.parameters["LoginAuthConfig"])
    return {"AppId": app.app_id, **copy.deepcopy(config)}


def remove_config(invocation: Invocation) -> Answer:
    app = invocation.app()
    _existing(app)
    app.admin_config = None
    return {}


def _existing(app: App) -> dict[str, Any]:
    if app.admin_config is None:
        raise not_found("BackendConfig", f"Backend config of app {app.app_id}")
    return app.admin_config


HANDLERS: dict[str, Handler] = {
    "CreateBackendConfig": create_config,
    "UpdateBackendConfig": update_config,
    "RemoveBackendConfig": remove_config,
}
