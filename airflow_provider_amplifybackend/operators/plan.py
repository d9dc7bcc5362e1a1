"""Planning before environments are deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.parameters.reading import as_flag, as_name
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context


def as_optional_environment(name: str, value: Any) -> str | None:
    """Return an environment's name; None for the whole app.

    What a template leaves empty is an error: an environment was meant.
    """
    return None if value is None else as_name(name, value)


class PlanBackendDeletionOperator(AwsParameters):
    """
    Plan the deletion of an environment, or of all environments of an app. Nothing is changed.

    .. seealso:: `GetBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackend>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. Default: all of the app's, which ``RemoveAllBackendsOperator``
        deletes. (templated)
    :param clean_amplify_app: Whether the Amplify app is to go, too: as for ``RemoveAllBackendsOperator``. (templated)

    :return: ``version``, ``digest``, ``app_id``, ``backend_environment_name`` (if it is for one),
        ``clean_amplify_app``, ``region``, ``environments`` (those that exist), ``goes`` and ``stays`` (each with
        ``environment``, ``type``, ``id``, ``stack``, and ``stays``: why), ``unknown`` (what cannot be read, and why),
        ``signs`` (for which the guard refuses), ``counts`` (of users and items) and ``text`` (Markdown). Each is also
        an XCom of its own, e.g. ``plan.output["text"]``.
    """

    template_fields: Sequence[str] = (
        "app_id",
        "backend_environment_name",
        "clean_amplify_app",
        *AwsParameters.template_fields,
    )
    # An environment that turned out to be nothing is not the whole app.
    careful = AwsParameters.careful | {"backend_environment_name"}
    readers = AwsParameters.readers | {
        "app_id": as_name,
        "backend_environment_name": as_optional_environment,
        "clean_amplify_app": as_flag,
    }
    ui_color = "#fff3e0"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str | None = None,
        clean_amplify_app: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.clean_amplify_app = clean_amplify_app
        # `plan.output["text"]` asks for an XCom of that name.
        self.multiple_outputs = True

    def execute(self, context: Context) -> dict[str, Any]:
        """Read what is there, log it, and return it."""
        from airflow_provider_amplifybackend.guard.conditions import utc_now
        from airflow_provider_amplifybackend.guard.inventory import remembering
        from airflow_provider_amplifybackend.guard.plan import Scope, read_plan
        from airflow_provider_amplifybackend.guard.plan_text import as_xcom

        self.validate()
        scope = Scope(
            app_id=self.read("app_id"),
            environment=self.read("backend_environment_name"),
            clean_amplify_app=self.read("clean_amplify_app"),
            region=self.hook.conn_region_name or "",
        )
        plan = as_xcom(self.hook.guard.read(remembering(read_plan(scope, utc_now(current().now())))))
        self.log.info("%s", plan["text"])
        return plan
