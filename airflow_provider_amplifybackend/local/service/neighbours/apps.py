"""Apps and backend environments of AWS Amplify: the same as AmplifyBackend's, seen from the other side."""

from __future__ import annotations

from airflow_provider_amplifybackend.local.service import stack_parts
from airflow_provider_amplifybackend.local.service.errors import already_exists
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.invocation import Answer, Handler, Invocation
from airflow_provider_amplifybackend.local.service.neighbours import hosted, tags
from airflow_provider_amplifybackend.local.service.stacks import find


def list_apps(invocation: Invocation) -> Answer:
    store = invocation.store
    rows = ((app_id, hosted.shown_app(store, app)) for app_id, app in store.apps.items())
    return hosted.listed(invocation, "apps", rows, largest=100)


def get_app(invocation: Invocation) -> Answer:
    return {"app": hosted.shown_app(invocation.store, hosted.app(invocation))}


def create_app(invocation: Invocation) -> Answer:
    given, store = invocation.parameters, invocation.store
    tags.check(given.get("tags", {}))
    app = store.new_app(_new_app_id(invocation), given["name"], invocation.clock.wall())
    app.hosting.settings = hosted.settings_of(given, "App")
    app.hosting.tags = dict(given.get("tags", {}))
    return {"app": hosted.shown_app(store, app)}


def _new_app_id(invocation: Invocation) -> str:
    ids = Ids(str(invocation.runtime.random.getrandbits(128)))
    return f"d{ids.lower('app', 13)}"


def update_app(invocation: Invocation) -> Answer:
    """Change an app's settings; environment variables are replaced as a whole, as `gen2-migration lock` expects."""
    app = hosted.app(invocation)
    app.name = invocation.parameters.get("name", app.name)
    app.hosting.settings |= hosted.settings_of(invocation.parameters, "App")
    app.hosting.updated = invocation.clock.wall()
    return {"app": hosted.shown_app(invocation.store, app)}


def delete_app(invocation: Invocation) -> Answer:
    """Forget an app with its environments' names and its branches; their stacks stay."""
    app = hosted.app(invocation)
    del invocation.store.apps[app.app_id]
    return {"app": hosted.shown_app(invocation.store, app)}


def list_environments(invocation: Invocation) -> Answer:
    app, only = hosted.app(invocation), invocation.parameters.get("environmentName")
    rows = (
        (name, hosted.shown_environment(invocation.store, app.app_id, environment))
        for name, environment in app.environments.items()
        if only in (None, name)
    )
    return hosted.listed(invocation, "backendEnvironments", rows, largest=50)


def get_environment(invocation: Invocation) -> Answer:
    environment = hosted.environment(invocation)
    shown = hosted.shown_environment(invocation.store, invocation.parameters["appId"], environment)
    return {"backendEnvironment": shown}


def create_environment(invocation: Invocation) -> Answer:
    """Make a name known, with a stack and a bucket that are there or not: nothing is made."""
    app, name = hosted.app(invocation), invocation.parameters["environmentName"]
    if name in app.environments:
        raise already_exists(f"Backend environment {name} of app {app.app_id}")
    store, provisioner = invocation.store, invocation.provisioner
    environment = provisioner.register_environment(store, app, name, invocation.clock.wall())
    stack_name = invocation.parameters.get("stackName")
    if stack_name is not None:
        stack = find(provisioner.stacks, store, stack_name)
        arn = stack.stack_id if stack else stack_parts.stack_arn(store, stack_name, environment.ids.uuid("given stack"))
        environment.provider |= {"StackName": stack_name, "StackId": arn}
    bucket = invocation.parameters.get("deploymentArtifacts")
    if bucket is not None:
        environment.provider["DeploymentBucketName"] = bucket
    return {"backendEnvironment": hosted.shown_environment(store, app.app_id, environment)}


def delete_environment(invocation: Invocation) -> Answer:
    """Forget the name, and keep the stack and all that is in it."""
    app, environment = hosted.app(invocation), hosted.environment(invocation)
    del app.environments[environment.name]
    return {"backendEnvironment": hosted.shown_environment(invocation.store, app.app_id, environment)}


HANDLERS: dict[str, Handler] = {
    "ListApps": list_apps,
    "GetApp": get_app,
    "CreateApp": create_app,
    "UpdateApp": update_app,
    "DeleteApp": delete_app,
    "ListBackendEnvironments": list_environments,
    "GetBackendEnvironment": get_environment,
    "CreateBackendEnvironment": create_environment,
    "DeleteBackendEnvironment": delete_environment,
}
