"""Operators for backend environments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend._errors import request_error
from airflow_provider_amplifybackend.core.meta_config import outputs, parse_document
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError, says_missing
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._deleting import DeletingOperator
from airflow_provider_amplifybackend.operators._job_base import FAIL_OR_SKIP, CreatingOperator
from airflow_provider_amplifybackend.parameters.reading import as_choice

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.job import JobResult


DOCUMENTS = ("AmplifyMetaConfig", "AmplifyFeatureFlags")
# What the Amplify CLI demands. The API takes more, and other names exist: a warning, not an error.
CLI_NAME = re.compile(r"[a-z]{2,10}")


class _CreatesEnvironment(CreatingOperator):
    """Start a job that creates an environment. Warns of a name that the API takes and the Amplify CLI does not.

    :param on_failure: What to do about the empty environment that a failed job leaves behind: ``"keep"``, or
        ``"delete_target"``: delete it, so that a retry can create it. It is only deleted if it did not exist before,
        if the failed job is certainly this task's own, and if no other job has been started in it since.
        The task fails all the same.
    """

    template_fields: Sequence[str] = (*CreatingOperator.template_fields, "on_failure")
    readers = CreatingOperator.readers | {"on_failure": partial(as_choice, accepted=("keep", "delete_target"))}

    def __init__(self, *, on_failure: str = "keep", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_failure = on_failure

    def execute(self, context: Context) -> JobResult:
        """Start the job once, and wait for it if requested."""
        if not CLI_NAME.fullmatch(str(self._new_name)):
            self.log.warning(
                "Environment name %r is not accepted by the Amplify CLI, which requires 2 to 10 lowercase letters",
                self._new_name,
            )
        return super().execute(context)


class CloneBackendOperator(_CreatesEnvironment):
    """
    Clone a backend environment into a new one, with its auth, API and storage.

    .. seealso:: `CloneBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CloneBackend>`__

    :param app_id: The app's id, e.g. ``d1a2b3c4``. (templated)
    :param backend_environment_name: The environment to clone. (templated)
    :param target_environment_name: The environment to create. (templated)
    """

    api_operation: ClassVar[str] = "CloneBackend"
    new_environment: ClassVar[str] = "target_environment_name"

    def __init__(
        self, *, app_id: str, backend_environment_name: str, target_environment_name: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.target_environment_name = target_environment_name


class CreateBackendOperator(_CreatesEnvironment):
    """
    Create a backend environment for an app.

    .. seealso:: `CreateBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateBackend>`__

    :param app_id: The app's id. (templated)
    :param app_name: The app's name. (templated)
    :param backend_environment_name: The environment to create. (templated)
    :param resource_config: An empty structure in the API: ``{}`` or nothing. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "CreateBackend"
    new_environment: ClassVar[str] = "backend_environment_name"

    def __init__(
        self,
        *,
        app_id: str,
        app_name: str,
        backend_environment_name: str,
        resource_config: dict[str, Any] | str | None = None,
        resource_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.app_name = app_name
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name


class DeleteBackendOperator(DeletingOperator):
    """
    Delete a backend environment.

    .. seealso:: `DeleteBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/DeleteBackend>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment to delete. (templated)
    """

    api_operation: ClassVar[str] = "DeleteBackend"

    def __init__(self, *, app_id: str, backend_environment_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name


class RemoveAllBackendsOperator(DeletingOperator):
    """
    Remove all backend environments of an app.

    .. seealso:: `RemoveAllBackends <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/RemoveAllBackends>`__

    :param app_id: The app's id. (templated)
    :param clean_amplify_app: Whether to clean up the Amplify app, too. (templated)
    """

    api_operation: ClassVar[str] = "RemoveAllBackends"

    def __init__(self, *, app_id: str, clean_amplify_app: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.clean_amplify_app = clean_amplify_app


class GetBackendOperator(AmplifyBackendOperator):
    """
    Get the details of a backend environment, or the environments of an app.

    .. seealso:: `GetBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackend>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. Without it, the answer lists the environments. (templated)
    :param if_missing: What to do if the environment does not exist: ``"fail"``, or ``"skip"``: succeed with a result
        whose ``exists`` is False. An app that the service does not know has no environments: that is logged as a
        warning. (templated)

    :return: The response, with ``AmplifyMetaConfig`` and ``AmplifyFeatureFlags`` parsed and their secrets (API keys,
        client secrets) replaced by ``***``; ``exists``, which is False only with ``if_missing="skip"``; and
        ``outputs``: ``user_pool_id``, ``user_pool_arn``, ``native_client_id``, ``web_client_id``,
        ``identity_pool_id``, ``appsync_api_id``, ``appsync_endpoint``, ``bucket``, ``stack_name``, ``stack_id``,
        ``deployment_bucket`` and ``region``, None where the environment has no such thing. Each output that exists
        is also an XCom of its own, e.g. ``get.output["user_pool_id"]``: a task that uses one that does not exist
        fails and names it.
    """

    api_operation: ClassVar[str] = "GetBackend"
    readers = AmplifyBackendOperator.readers | {"if_missing": FAIL_OR_SKIP}

    def __init__(
        self, *, app_id: str, backend_environment_name: str | None = None, if_missing: str = "fail", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.if_missing = if_missing

    def execute(self, context: Context) -> dict[str, Any]:
        """Get the details and push each output."""
        self.store_links(context)
        self.validate()
        result = self.publish(context, self._look(self.build_request()))
        self.push_members(context, result["outputs"])
        return result

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Parse the documents, and pick the outputs."""
        documents = {name: parse_document(response[name]) for name in DOCUMENTS if name in response}
        presented = super().present({**response, **documents})
        presented.setdefault("exists", True)
        return presented | {"outputs": outputs(presented.get("AmplifyMetaConfig"))}

    def _look(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer about the environment, or about the app where the environment is missing."""
        name = request.get("BackendEnvironmentName")
        answer: Mapping[str, Any]
        try:
            answer = self.hook.attempt(self.api_operation, request)
            if _is_there(name, answer):
                return answer
        except ServiceError as error:
            if self.if_missing != "skip" or not says_missing(error):
                raise request_error(error, request) from error
            answer = self._look_at_app(request, error)
        missing = f"environment {name} of app {request['AppId']} does not exist"
        if self.if_missing != "skip":
            others = ", ".join(answer["BackendEnvironmentList"]) or "none"
            raise BackendRequestError(f"{self.task_id}: {missing}; existing environments: {others}")
        self.log.info("Skipping (if_missing='skip'): %s", missing if name else f"nothing of app {request['AppId']}")
        return {**answer, **request, "exists": False}

    def _look_at_app(self, request: Mapping[str, Any], error: ServiceError) -> Mapping[str, Any]:
        """Return the app's environments, because an error that says "missing" can mean something else.

        :raises BackendRequestError: The environment is there, or the service refuses the app for another reason.
        """
        app, name = {"AppId": request["AppId"]}, request.get("BackendEnvironmentName")
        if name:
            try:
                listing = self.hook.attempt(self.api_operation, app)
            except ServiceError as of_app:
                error = of_app
            else:
                if name in (listing.get("BackendEnvironmentList") or []):
                    raise request_error(error, request) from error
                return listing
        if error.kind is not FaultKind.NOT_FOUND:
            raise request_error(error, app) from error
        self.log.warning(
            "App %s is unknown to the service in %s, so it has no environments; check app_id and region_name. "
            "AmplifyBackend reported %s: %s",
            app["AppId"],
            self.hook.conn_region_name,
            error.code,
            error.message,
        )
        return {**app, "BackendEnvironmentList": []}


def _is_there(name: str | None, answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer is about the environment: of one that is gone it can be the app's list without it."""
    listed = answer.get("BackendEnvironmentList")
    return name is None or listed is None or name in listed or bool(answer.get("AmplifyMetaConfig"))
