"""``plan``: what a deletion would delete, and whether the guard would let it through."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.cli._running import FAILED, OK, command, make_hook, told, write

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.guard.plan import Scope
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook


@command
def plan(options: Namespace) -> int:
    """Plan a deletion."""
    from airflow_provider_amplifybackend.core.timing import current
    from airflow_provider_amplifybackend.guard.conditions import utc_now
    from airflow_provider_amplifybackend.guard.inventory import remembering
    from airflow_provider_amplifybackend.guard.plan import Scope, read_plan
    from airflow_provider_amplifybackend.guard.plan_text import as_xcom
    from airflow_provider_amplifybackend.parameters.reading import as_name

    hook = make_hook(options)
    environment = None if options.environment is None else as_name("ENVIRONMENT", options.environment)
    scope = Scope(
        app_id=as_name("APP_ID", options.app_id),
        environment=environment,
        clean_amplify_app=options.clean_amplify_app,
        region=hook.conn_region_name or "",
    )
    found = hook.guard.read(remembering(read_plan(scope, utc_now(current().now()))))
    objection = _objection(hook, scope)
    members = as_xcom(found) | {"guard": objection}
    if options.output == "json":
        write(json.dumps(members, indent=2))
    else:
        write(f"{members['text']}\nGuard: {objection or 'would let it through'}")
    # Without a list of environments, or of what is in one, it is no plan.
    return FAILED if any(gap.hides for gap in found.unknown) else OK


def _objection(hook: AmplifyBackendHook, scope: Scope) -> str:
    """Return why the guard would refuse the deletion; nothing if it would not."""
    from airflow_provider_amplifybackend.exceptions import BackendGuardError, BackendRequestError

    names: dict[str, Any] = {"AppId": scope.app_id}
    if scope.environment is None:
        operation, request = "RemoveAllBackends", names | {"CleanAmplifyApp": scope.clean_amplify_app}
    else:
        operation, request = "DeleteBackend", names | {"BackendEnvironmentName": scope.environment}
    try:
        hook.check_guard(operation, request)
    except (BackendGuardError, BackendRequestError) as refusal:
        return told(refusal)
    return ""
