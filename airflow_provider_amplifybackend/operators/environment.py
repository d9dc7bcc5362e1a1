"""Operators for backend environments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.exceptions import BackendJobFailedError, left_behind
from airflow_provider_amplifybackend.jobs import Job, Outcome
from airflow_provider_amplifybackend.meta import outputs, parse_document
from airflow_provider_amplifybackend.operators.base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators.kinds import CreatingOperator, RemovingOperator
from airflow_provider_amplifybackend.parameters import as_choice

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.hooks.leftover import Leftover
    from airflow_provider_amplifybackend.hooks.start import StartOnce
    from airflow_provider_amplifybackend.jobs import JobResult


# What the Amplify CLI demands. The API takes more, and other names exist: a warning, not an error.
CLI_NAME = re.compile(r"[a-z]{2,10}")


class _CreatesEnvironment(CreatingOperator):
    """Start a job that creates an environment. Warns of a name that the API takes and the Amplify CLI does not.

    :param on_failure: What to do about the empty environment that a failed job leaves behind: ``"keep"``, or
        ``"delete_target"``: delete it, so that a retry can create it. It is only deleted if it did not exist before,
        if the service named this task's own job as the one that failed, and if nobody has started a job in it since.
        The task fails all the same.
    """

    template_fields: Sequence[str] = (*CreatingOperator.template_fields, "on_failure")
    readers = CreatingOperator.readers | {"on_failure": partial(as_choice, accepted=("keep", "delete_target"))}
    new_environment: ClassVar[str]

    def __init__(self, *, on_failure: str = "keep", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_failure = on_failure

    def execute(self, context: Context) -> JobResult:
        """Start the job once, and wait for it as told."""
        name = str(getattr(self, self.new_environment))
        if not CLI_NAME.fullmatch(name):
            self.log.warning("The Amplify CLI will not take %r: it demands 2 to 10 small letters", name)
        return super().execute(context)

    def _proceed(
        self, context: Context, *, started: float, deadline: float | None = None, starter: StartOnce | None = None
    ) -> JobResult:
        """Start the job and wait, once what an earlier try's failed job left behind is gone."""
        deadline = deadline or self._deadline(started)
        if self.on_failure == "delete_target":
            self._delete_earlier_leftover(self._starter(context, deadline))
        return super()._proceed(context, started=started, deadline=deadline, starter=starter)

    def _delete_earlier_leftover(self, starter: StartOnce) -> None:
        from airflow_provider_amplifybackend.hooks.leftover import is_certainly_ours

        if starter.intent is None or not starter.intent.job_id:
            return
        job = self._first_look(self._ref(starter.intent.job))
        if job and job.is_failed and is_certainly_ours(starter, job, Outcome.ADOPTED):
            self.log.info("%s FAILED in an earlier try. %s", job.ref, self._leftover(job, starter).delete())

    def _job_failed(self, job: Job, outcome: Outcome, context: Context, deadline: float) -> BackendJobFailedError:
        """Delete what the job left behind, if told so and if it is ours."""
        from airflow_provider_amplifybackend.hooks.leftover import is_certainly_ours

        if self.on_failure != "delete_target":
            return BackendJobFailedError(job, left_behind(self.api_operation, getattr(self, self.new_environment)))
        starter = self._starter(context, deadline)
        if not is_certainly_ours(starter, job, outcome):
            return BackendJobFailedError(job, "It may be somebody else's, so what it left behind was kept.")
        return BackendJobFailedError(job, self._leftover(job, starter).delete())

    def _leftover(self, job: Job, starter: StartOnce) -> Leftover:
        from airflow_provider_amplifybackend.hooks.leftover import Leftover

        return Leftover(job, str(getattr(self, self.new_environment)), starter, self._await_end)


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


class DeleteBackendOperator(RemovingOperator):
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


class RemoveAllBackendsOperator(RemovingOperator):
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

    :return: The response, with ``AmplifyMetaConfig`` and ``AmplifyFeatureFlags`` parsed and the API key replaced by
        ``***``, and ``outputs``: ``user_pool_id``, ``web_client_id``, ``identity_pool_id``, ``appsync_api_id``,
        ``appsync_endpoint``, ``bucket`` and ``region``, None where the environment has no such thing. Each output
        that there is is also an XCom of its own, e.g. ``get.output["user_pool_id"]``: a task that takes one which
        there is not fails, and says which.
    """

    api_operation: ClassVar[str] = "GetBackend"

    def __init__(self, *, app_id: str, backend_environment_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name

    def execute(self, context: Context) -> dict[str, Any]:
        """Get the details and push each output."""
        result: dict[str, Any] = super().execute(context)
        self.push_members(context, result["outputs"])
        return result

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Parse the documents, and pick the outputs that people call this for."""
        presented = super().present(response)
        for member in ("AmplifyMetaConfig", "AmplifyFeatureFlags"):
            if member in presented:
                presented[member] = parse_document(presented[member])
        return presented | {"outputs": outputs(presented.get("AmplifyMetaConfig"))}
