"""The common part of operators and sensors: the AWS parameters, and the checks of all parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend._compat import BaseOperator, try_to_remember
from airflow_provider_amplifybackend._masking import mask_texts
from airflow_provider_amplifybackend.core.addresses import PROXIES, passwords
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.client_config import as_client_config
from airflow_provider_amplifybackend.parameters.identity import as_connection_id, as_region
from airflow_provider_amplifybackend.parameters.no_passwords import refused_passwords
from airflow_provider_amplifybackend.parameters.reading import as_verify, holds_template, problems_of
from airflow_provider_amplifybackend.tasks.documented import DocumentedTask
from airflow_provider_amplifybackend.tasks.literal_secrets import warn_of_literal_secret
from airflow_provider_amplifybackend.tasks.map_index import NamedMapIndex
from airflow_provider_amplifybackend.tasks.mapping import CheckedMapping, check_written, is_given_upstream
from airflow_provider_amplifybackend.tasks.notes import note_failures_of

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook


class AwsParameters(DocumentedTask, NamedMapIndex, CheckedMapping, BaseOperator):
    """The four AWS parameters of operators and sensors.

    :param aws_conn_id: The Airflow connection for AWS credentials. None: boto3's own credential chain is used; a
        template or another task that gives nothing is refused. (templated)
    :param region_name: AWS region, e.g. ``us-east-1``. Default: the connection's. (templated)
    :param verify: Whether to verify TLS certificates, or the path of a CA bundle. (templated)
    :param botocore_config: Keyword arguments of botocore's ``Config``: a dictionary or JSON text. (templated)
    """

    template_fields: Sequence[str] = ("aws_conn_id", "region_name", "verify", "botocore_config")
    # The parameters without which a task would do something else, as somebody else or elsewhere: one that a template or
    # another task leaves empty is not left out.
    careful: ClassVar[frozenset[str]] = frozenset({"aws_conn_id", "region_name"})
    # How the parameters that are not the API's are read, and so checked.
    readers: ClassVar[dict[str, Callable[[str, Any], Any]]] = {
        "aws_conn_id": as_connection_id,
        "region_name": as_region,
        "botocore_config": as_client_config,
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        note_failures_of(cls)

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def __setattr__(self, name: str, value: Any) -> None:
        # Where the DAG is written and again once the value is rendered: Airflow itself fails on such values, without
        # a word about the task and the parameter.
        if name in type(self).template_fields:
            check_written(type(self), self.task_id, {name: value})
            self._warn_of_literal_secret(name, value)
        super().__setattr__(name, value)

    def _warn_of_literal_secret(self, name: str, value: Any) -> None:
        """Warn once of a secret in clear, where the DAG is written: later it may come from a template."""
        is_written = not self._BaseOperator__instantiated and not self._BaseOperator__from_mapped  # type: ignore[attr-defined]
        if is_written and "_has_literal_secret" not in vars(self):
            dag_id = self.dag_id if self.has_dag() else None  # type: ignore[no-untyped-call]
            if warn_of_literal_secret({name: value}, task_id=self.task_id, dag_id=dag_id):
                vars(self)["_has_literal_secret"] = True

    @classmethod
    def written_problems(cls, name: str, value: Any) -> Iterable[str]:
        """Return a sentence for each part of a parameter that is to be put neither into the DAG nor into its logs.

        A password is refused here, before Airflow stores it with the DAG, as a rendered field or with a trigger.
        """
        found = [*super().written_problems(name, value)]
        if not found and (problems := refused_passwords(name, value)):
            mask_texts(passwords({PROXIES: value}))
            return problems
        return found

    @classmethod
    def configurations(cls) -> tuple[str, ...]:
        """Return the parameters that are configurations, and so may be a ``.json`` file."""
        return tuple(cls.template_fields_renderers) if cls.template_ext else ()

    def resolve_template_files(self) -> None:
        """Read no file while the DAG is parsed: Airflow would change line ends, and store secrets with the DAG."""
        self.prepare_template()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """Render the parameters each by its kind. Airflow calls this for mapped tasks too."""
        from airflow_provider_amplifybackend.parameters.rendering import Renderer, is_native

        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            return
        own_choice = getattr(self, "render_template_as_native_obj", None)  # the task's, where Airflow has one
        environment = jinja_env if own_choice is None else self.get_template_env()
        renderer = Renderer(
            environment,
            context,
            resolve=lambda value: self.render_template(value, context, environment, seen_oids),
            native=is_native(environment),
        )
        for name in template_fields:
            value = getattr(self, name)
            is_rendered = id(value) in seen_oids
            try:
                if callable(value):
                    rendered = value(context=context, jinja_env=environment)
                elif name in self.configurations():
                    rendered = renderer.configuration(name, value, is_rendered=is_rendered)
                elif is_rendered:
                    rendered = value
                elif name == "botocore_config":
                    rendered = renderer.settings(name, value)
                else:
                    rendered = renderer.parameter(name, value)
            except BackendParameterError as error:
                raise BackendParameterError(f"{self.task_id}: {error}") from error.__cause__
            except Exception:
                self.log.error("%s: %s cannot be rendered", self.task_id, name)
                raise
            was_given = value is not None and value != {}
            is_empty = rendered is None or rendered == {}
            if name in self.careful and is_empty and (was_given or is_given_upstream(self, name, context)):
                rendered = ""  # which is refused: it is not as if it had not been given
            self.set_rendered(name, rendered)

    def set_rendered(self, name: str, value: Any) -> None:
        """Set a parameter to what was rendered."""
        setattr(self, name, value)

    @property
    def aws_parameters(self) -> dict[str, Any]:
        """Return the four parameters, as the hook and the triggers take them."""
        return {
            "aws_conn_id": self.read("aws_conn_id"),
            "region_name": self.read("region_name"),
            "verify": as_verify(self.verify),
            "botocore_config": self.read("botocore_config"),
        }

    @property
    def wait_parameters(self) -> dict[str, Any]:
        """Return the parameters with which a trigger is the same caller as this task, which has used the connection."""
        try_number = try_to_remember()
        remembered = {} if try_number is None else {"try_number": try_number}
        return self.aws_parameters | {"connection_found": self.hook.connection_found} | remembered

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral, but begin anew with an event that an earlier try has had already."""
        event = (next_kwargs or {}).get("event")
        if isinstance(event, Mapping) and event.get("try_number") not in (None, context["ti"].try_number):
            # Without Airflow's wrapper, which warns of a call that does not come from Airflow.
            return inspect.unwrap(type(self).execute)(self, context)
        return super().resume_execution(next_method, next_kwargs, context)

    @cached_property
    def hook(self) -> AmplifyBackendHook:
        """The hook. Its module loads boto3, so it is imported when the hook is first used."""
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        parameters = self.aws_parameters
        hook = AmplifyBackendHook(config=parameters.pop("botocore_config"), **parameters)
        hook.texts.learn(self.parameter_values())
        return hook

    def hook_after(self, event: object) -> AmplifyBackendHook:
        """Return the hook, which refuses boto3's own identity if the connection was found when the try began."""
        if isinstance(event, Mapping) and event.get("connection_found"):
            self.hook.connection_found = True
        return self.hook

    @classmethod
    def problems(cls, values: Mapping[str, Any], *, templates: bool = False) -> list[str]:
        """Return a sentence for each parameter that cannot be used.

        :param values: The parameters by name, of an instance or of a mapped task.
        :param templates: Whether values may still be templates, which are then not checked.
        """
        found: list[str] = []
        for name, read in cls.readers.items():
            if name in values and not (templates and holds_template(values[name])):
                found += problems_of(read, name, values[name])
        return found

    def parameter_values(self) -> dict[str, Any]:
        """Return every parameter that is checked, by name: some of Airflow's own are no template fields."""
        return {name: getattr(self, name, None) for name in (*type(self).template_fields, *self.readers)}

    def validate(self, *, templates: bool = False) -> None:
        """Check every parameter.

        :raises BackendParameterError: names the parameters that cannot be used.
        """
        found = type(self).problems(self.parameter_values(), templates=templates)
        if found:
            raise BackendParameterError(f"{self.task_id} ({type(self).__name__}): " + "; ".join(found))

    def read(self, name: str) -> Any:
        """Return a parameter that is not the API's, whether it was rendered as text or not."""
        return self.readers[name](name, getattr(self, name))
