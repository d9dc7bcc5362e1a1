"""The base of all operators. An operator class itself is a name, a typed signature and a docstring."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend._compat import AirflowNotFoundException
from airflow_provider_amplifybackend._masking import mask, mask_texts, within_masks
from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.core.secrets import redact_secrets, secret_values
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.links import AmplifyConsoleLink, AmplifyStudioLink, link_addresses
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.reading import EMPTY_RENDERINGS, is_template
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context


class AmplifyBackendOperator(AwsParameters):
    """Call one operation of AmplifyBackend and return its response.

    Parameters that name a member of the API are templated, and coerced by the API's model after rendering. They are
    checked in ``execute``, because before that they may be templates.

    :raises BackendParameterError: A parameter cannot be sent. Nothing was sent, and a retry cannot help.
    :raises BackendRequestError: The service refused the call, or it could not be made.
    """

    api_operation: ClassVar[str]
    operator_extra_links = (AmplifyConsoleLink(), AmplifyStudioLink())
    ui_color = "#fff3e0"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "api_operation" in cls.__dict__:
            named = inspect.signature(cls.__init__).parameters.values()
            own = [parameter.name for parameter in named if parameter.kind is parameter.KEYWORD_ONLY]
            cls.template_fields = tuple(dict.fromkeys((*own, *cls.template_fields)))
            cls.careful = cls.careful.union(filter(names.selects, own))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # Airflow stores rendered fields before `execute`, and for mapped tasks it bypasses an overridden
        # `render_template_fields`: the assignment is what both ways have in common.
        if name in type(self).template_fields:
            _mask_secrets(name, value, as_given=_is_read_from_file(self))

    def set_rendered(self, name: str, value: Any) -> None:
        """Set a parameter to what was rendered, where what still looks like a template is the text of a secret."""
        super().set_rendered(name, within_masks(value) if name in self.configurations() else value)
        _mask_secrets(name, value, is_rendered=True)

    def execute(self, context: Context) -> Any:
        """Call the operation."""
        self.store_links(context)
        self.validate()
        return self.publish(context, self.hook.call(self.api_operation, self.build_request()))

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be sent or used."""
        return service_model.problems(cls.api_operation, values, templates=templates) + super().problems(
            values, templates=templates
        )

    def store_links(self, context: Context) -> None:
        """Store the addresses of the links: only the task knows the region and the rendered names.

        Before anything else, and empty where there is nothing to link to, because Airflow logs an error for a link
        that it does not find. Anything else that is wrong with the connection is reported by the call.
        """
        environment = getattr(self, "target_environment_name", None) or getattr(self, "backend_environment_name", None)
        app_id = getattr(self, "app_id", None)
        addresses = dict.fromkeys((AmplifyConsoleLink.key, AmplifyStudioLink.key), "")
        if all(names.can_name(name) and name not in EMPTY_RENDERINGS for name in (app_id, environment)):
            try:
                addresses = link_addresses(self.hook.conn_region_name, str(app_id), str(environment))
            except AirflowNotFoundException:
                raise
            except Exception as error:  # noqa: BLE001
                self.log.debug("No links stored: %s", error)
        for key, address in addresses.items():
            context["ti"].xcom_push(key=key, value=address)

    def publish(self, context: Context, response: Mapping[str, Any]) -> dict[str, Any]:
        """Return a response as it goes into XCom, and push its members: ``get.output["ResourceConfig"]``."""
        result = self.present(response)
        self.push_members(context, result)
        return result

    def push_members(self, context: Context, members: Mapping[str, Any]) -> None:
        """Push each member that there is as an XCom of its own."""
        if self.do_xcom_push:
            for name, value in members.items():
                if value is not None:  # Airflow does not tell such an XCom from none at all
                    context["ti"].xcom_push(key=name, value=value)

    def build_request(self) -> dict[str, Any]:
        """Return the request in the API's spelling.

        :raises BackendParameterError: names every parameter that cannot be sent.
        """
        parameters = service_model.members(self.api_operation)
        values = {name: getattr(self, name, None) for name in parameters}
        mask(values)  # of a task that somebody executes without Airflow nothing was rendered
        try:
            return service_model.build_request(self.api_operation, values)
        except service_model.ParameterError as error:
            raise BackendParameterError(f"{self.task_id}: {error}") from error

    def present(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a response goes into XCom: no transport details, no secrets."""
        members = {key: value for key, value in response.items() if key != "ResponseMetadata"}
        redacted: dict[str, Any] = redact_secrets(members)
        return redacted


def _is_read_from_file(operator: AmplifyBackendOperator) -> bool:
    """Return whether a DAG file is being read: it can have hundreds of secrets, of which each task has one or two.

    Those are assigned once more when they are rendered. Airflow makes a mapped task's operator with what it renders.
    """
    made = ("_BaseOperator__instantiated", "_BaseOperator__from_mapped")
    return not any(getattr(operator, flag, False) for flag in made)


def _mask_secrets(name: str, value: Any, *, is_rendered: bool = False, as_given: bool = False) -> None:
    secrets = secret_values({name: value})
    mask_texts((secret for secret in secrets if is_rendered or not is_template(secret)), as_given=as_given)
