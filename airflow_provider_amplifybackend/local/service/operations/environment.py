"""Environments: create, clone, delete, look."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service import meta_documents
from airflow_provider_amplifybackend.local.service.errors import ServiceError, already_exists, not_found
from airflow_provider_amplifybackend.local.service.invocation import Answer, Call, Handler
from airflow_provider_amplifybackend.local.service.store import App, Environment


def create_backend(call: Call) -> Answer:
    app = _app_to_create_in(call)
    name = call.environment_name
    call.refuse_pending(name)
    if name in app.environments:
        raise already_exists(f"Backend environment {name} of app {app.app_id}")
    call.store.apps.setdefault(app.app_id, app)
    _appear_early(call, app, name)

    def complete() -> None:
        _existing_or_new(call, app, name)

    return call.start(complete, fail=lambda: _after_failed_creation(call, app, name))


def _app_to_create_in(call: Call) -> App:
    """An app belongs to AWS Amplify: unless apps are strict, one that is new here is taken to exist there."""
    app = call.store.apps.get(call.app_id)
    if app is not None:
        return app
    if call.service.strict_apps:
        raise not_found("App", f"App {call.app_id}")
    return App(call.app_id, call.parameters["AppName"])


def _appear_early(call: Call, app: App, name: str) -> None:
    if call.settings.environment_appears == "start":
        _existing_or_new(call, app, name)


def _existing_or_new(call: Call, app: App, name: str) -> Environment:
    existing = app.environments.get(name)
    if existing is not None:
        return existing
    return call.service.provisioner.add_environment(call.store, app, name, call.service.clock.wall())


def _after_failed_creation(call: Call, app: App, name: str) -> None:
    """A failed clone can leave an empty environment behind (amplify-hosting#3022, amplify-studio#507)."""
    environment = app.environments.get(name)
    if call.settings.failed_creation_leaves_environment:
        _existing_or_new(call, app, name)
    elif environment is not None:
        call.service.provisioner.drop_environment(call.store, app, environment)


def clone_backend(call: Call) -> Answer:
    app = call.app()
    source_name, target_name = call.environment_name, call.parameters["TargetEnvironmentName"]
    call.environment()
    call.refuse_pending(target_name)
    call.refuse_pending(source_name, shared=call.settings.clone_holds_source == "shared")
    if target_name in app.environments:
        raise already_exists(f"Backend environment {target_name} of app {app.app_id}")
    _appear_early(call, app, target_name)

    def complete() -> None:
        source = app.environments.get(source_name)
        if source is None:
            raise not_found("BackendEnvironment", f"Backend environment {source_name} of app {app.app_id}")
        target = _existing_or_new(call, app, target_name)
        call.service.provisioner.copy_resources(call.store, source, target, call.service.clock.wall())

    return call.start(
        complete,
        fail=lambda: _after_failed_creation(call, app, target_name),
        lives_in=(_clone_home(call),),
        **_clone_claims(call, source_name, target_name),
        answer_environment=target_name if call.settings.clone_answer_environment == "target" else source_name,
    )


def _clone_home(call: Call) -> str:
    target: str = call.parameters["TargetEnvironmentName"]
    return target if call.settings.clone_job_environment == "target" else call.environment_name


def _clone_claims(call: Call, source: str, target: str) -> dict[str, frozenset[str]]:
    """A clone holds its target, and the environment that its job lives in; its source as the switch says."""
    holds, shares = {target, _clone_home(call)}, set()
    if call.settings.clone_holds_source == "exclusive":
        holds.add(source)
    elif call.settings.clone_holds_source == "shared":
        shares.add(source)
    return {"holds": frozenset(holds), "shares": frozenset(shares - holds)}


def delete_backend(call: Call) -> Answer:
    app, environment = call.app(), call.environment()
    call.refuse_pending(environment.name)
    return call.start(lambda: call.service.provisioner.drop_environment(call.store, app, environment))


def remove_all_backends(call: Call) -> Answer:
    app = call.app()
    names = tuple(app.environments)
    call.refuse_pending(*names)
    homes = {"every": names, "first": names[:1], "last": names[-1:]}[call.settings.remove_all_job_environment]

    def complete() -> None:
        for environment in list(app.environments.values()):
            call.service.provisioner.drop_environment(call.store, app, environment)
        app.admin_config = None
        if call.parameters.get("CleanAmplifyApp"):
            call.store.apps.pop(app.app_id, None)

    return call.start(complete, lives_in=homes, holds=names)


def get_backend(call: Call) -> Answer:
    app = call.app()
    answer: Answer = {
        "AppId": app.app_id,
        "AppName": app.name,
        "BackendEnvironmentList": list(app.environments),
    }
    name = call.parameters.get("BackendEnvironmentName")
    if name is None:
        return answer
    environment = app.environments.get(name)
    if environment is None:
        return _gone(call, answer)
    return {
        **answer,
        "BackendEnvironmentName": name,
        "AmplifyMetaConfig": meta_documents.amplify_meta(environment),
        "AmplifyFeatureFlags": meta_documents.feature_flags(),
    }


def _gone(call: Call, answer: Answer) -> Answer:
    """After a delete a real GetBackend answered ValidationException (amplify-hosting#2369); others may be."""
    if call.settings.gone_environment == "absent":
        return answer
    missing = f"Backend environment {call.environment_name} of app {call.app_id}"
    if call.settings.gone_environment == "ValidationException":
        raise ServiceError("ValidationException", f"{missing} does not exist")
    raise not_found("BackendEnvironment", missing)


HANDLERS: dict[str, Handler] = {
    "CreateBackend": create_backend,
    "CloneBackend": clone_backend,
    "DeleteBackend": delete_backend,
    "RemoveAllBackends": remove_all_backends,
    "GetBackend": get_backend,
}
