"""Environments: create, clone, delete, get."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service import meta_documents
from airflow_provider_amplifybackend.local.service.effects import (
    CloneEnvironment,
    CreateEnvironment,
    DeleteEnvironment,
    RemoveAll,
    existing_or_new,
)
from airflow_provider_amplifybackend.local.service.errors import AnsweredError, already_exists, not_found
from airflow_provider_amplifybackend.local.service.hosting import Hosting
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.store import App


def create_backend(invocation: Invocation) -> Answer:
    app = _app_to_create_in(invocation)
    name = invocation.environment_name
    invocation.refuse_pending(name)
    if name in app.environments:
        raise already_exists(f"Backend environment {name} of app {app.app_id}")
    invocation.store.apps.setdefault(app.app_id, app)
    _appear_early(invocation, app, name)
    return invocation.start(CreateEnvironment(app, name))


def _app_to_create_in(invocation: Invocation) -> App:
    """Return the app; unless apps are strict, one that is new here is taken to exist in AWS Amplify."""
    app = invocation.store.apps.get(invocation.app_id)
    if app is not None:
        return app
    if invocation.runtime.strict_apps:
        raise not_found("App", f"App {invocation.app_id}")
    now = invocation.clock.wall()
    return App(invocation.app_id, invocation.parameters["AppName"], hosting=Hosting(created=now, updated=now))


def _appear_early(invocation: Invocation, app: App, name: str) -> None:
    if invocation.settings.environment_appears == "start":
        existing_or_new(invocation.surroundings(), app, name)


def clone_backend(invocation: Invocation) -> Answer:
    app = invocation.app()
    source_name, target_name = invocation.environment_name, invocation.parameters["TargetEnvironmentName"]
    invocation.environment()
    invocation.refuse_pending(target_name)
    invocation.refuse_pending(source_name, shared=invocation.settings.clone_holds_source == "shared")
    if target_name in app.environments:
        raise already_exists(f"Backend environment {target_name} of app {app.app_id}")
    _appear_early(invocation, app, target_name)

    return invocation.start(
        CloneEnvironment(app, target_name, source_name),
        lives_in=(_clone_home(invocation),),
        **_clone_claims(invocation, source_name, target_name),
        answer_environment=target_name if invocation.settings.clone_answer_environment == "target" else source_name,
    )


def _clone_home(invocation: Invocation) -> str:
    target: str = invocation.parameters["TargetEnvironmentName"]
    return target if invocation.settings.clone_job_environment == "target" else invocation.environment_name


def _clone_claims(invocation: Invocation, source: str, target: str) -> dict[str, frozenset[str]]:
    """Return the claims of a clone: on its target, on its job's environment, on its source as the switch says."""
    holds, shares = {target, _clone_home(invocation)}, set()
    if invocation.settings.clone_holds_source == "exclusive":
        holds.add(source)
    elif invocation.settings.clone_holds_source == "shared":
        shares.add(source)
    return {"holds": frozenset(holds), "shares": frozenset(shares - holds)}


def delete_backend(invocation: Invocation) -> Answer:
    app, environment = invocation.app(), invocation.environment()
    invocation.refuse_pending(environment.name)
    return invocation.start(DeleteEnvironment(app, environment))


def remove_all_backends(invocation: Invocation) -> Answer:
    app = invocation.app()
    names = tuple(app.environments)
    invocation.refuse_pending(*names)
    homes = {"every": names, "first": names[:1], "last": names[-1:]}[invocation.settings.remove_all_job_environment]

    effect = RemoveAll(app, bool(invocation.parameters.get("CleanAmplifyApp")))
    return invocation.start(effect, lives_in=homes, holds=names)


def get_backend(invocation: Invocation) -> Answer:
    app = invocation.app()
    answer: Answer = {
        "AppId": app.app_id,
        "AppName": app.name,
        "BackendEnvironmentList": list(app.environments),
    }
    name = invocation.parameters.get("BackendEnvironmentName")
    if name is None:
        return answer
    environment = app.environments.get(name)
    if environment is None:
        return _gone(invocation, answer)
    return {
        **answer,
        "BackendEnvironmentName": name,
        "AmplifyMetaConfig": meta_documents.amplify_meta(environment),
        "AmplifyFeatureFlags": meta_documents.feature_flags(),
    }


def _gone(invocation: Invocation, answer: Answer) -> Answer:
    """Answer for an environment that is gone; a real one was a ValidationException (amplify-hosting#2369)."""
    if invocation.settings.gone_environment == "absent":
        return answer
    missing = f"Backend environment {invocation.environment_name} of app {invocation.app_id}"
    if invocation.settings.gone_environment == "ValidationException":
        raise AnsweredError("ValidationException", f"{missing} does not exist")
    raise not_found("BackendEnvironment", missing)


HANDLERS: dict[str, Handler] = {
    "CreateBackend": create_backend,
    "CloneBackend": clone_backend,
    "DeleteBackend": delete_backend,
    "RemoveAllBackends": remove_all_backends,
    "GetBackend": get_backend,
}
