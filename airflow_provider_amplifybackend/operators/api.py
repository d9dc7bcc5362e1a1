"""Operators for the API resource of an environment: an AppSync GraphQL API and its models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._configured import ConfiguredResource
from airflow_provider_amplifybackend.operators._job_base import (
    AmplifyBackendJobOperator,
    CreatingOperator,
    RemovingOperator,
)

if TYPE_CHECKING:
    from mypy_boto3_amplifybackend.type_defs import (
        BackendAPIResourceConfigTypeDef,
        GetBackendAPIModelsResponseTypeDef,
        GetBackendAPIResponseTypeDef,
    )

    from airflow_provider_amplifybackend._compat import Context


class CreateBackendAPIOperator(ConfiguredResource, CreatingOperator):
    """
    Create the API resource of an environment.

    .. seealso:: `CreateBackendAPI <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateBackendAPI>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_config: The API's configuration: a dictionary, JSON text or a ``.json`` file. Its
        ``TransformSchema`` may be a ``.graphql`` file. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "CreateBackendAPI"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_config: BackendAPIResourceConfigTypeDef | str,
        resource_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name


class UpdateBackendAPIOperator(ConfiguredResource, AmplifyBackendJobOperator):
    """
    Update the API resource of an environment.

    .. seealso:: `UpdateBackendAPI <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/UpdateBackendAPI>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)
    :param resource_config: What changes: a dictionary, JSON text or a ``.json`` file. Its ``TransformSchema`` may
        be a ``.graphql`` file. (templated)
    """

    api_operation: ClassVar[str] = "UpdateBackendAPI"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_name: str,
        resource_config: BackendAPIResourceConfigTypeDef | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name
        self.resource_config = resource_config


class DeleteBackendAPIOperator(ConfiguredResource, RemovingOperator):
    """
    Delete the API resource of an environment.

    .. seealso:: `DeleteBackendAPI <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/DeleteBackendAPI>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)
    :param resource_config: The configuration of the API: a dictionary, JSON text or a ``.json`` file. (templated)
    """

    api_operation: ClassVar[str] = "DeleteBackendAPI"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_name: str,
        resource_config: BackendAPIResourceConfigTypeDef | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name
        self.resource_config = resource_config


class GetBackendAPIOperator(ConfiguredResource, AmplifyBackendOperator):
    """
    Get the configuration of the API resource of an environment.

    .. seealso:: `GetBackendAPI <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendAPI>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)
    :param resource_config: The configuration of the API: a dictionary, JSON text or a ``.json`` file. (templated)

    :return: ``ResourceConfig`` and ``ResourceName``.
    """

    api_operation: ClassVar[str] = "GetBackendAPI"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_name: str,
        resource_config: BackendAPIResourceConfigTypeDef | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name
        self.resource_config = resource_config

    if TYPE_CHECKING:

        def execute(self, context: Context) -> GetBackendAPIResponseTypeDef: ...


class GenerateBackendAPIModelsOperator(AmplifyBackendJobOperator):
    """
    Generate the model schema of an environment's API.

    .. seealso:: `GenerateBackendAPIModels <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GenerateBackendAPIModels>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "GenerateBackendAPIModels"

    def __init__(self, *, app_id: str, backend_environment_name: str, resource_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name


class GetBackendAPIModelsOperator(AmplifyBackendOperator):
    """
    Get the generated models of an environment's API.

    .. seealso:: `GetBackendAPIModels <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendAPIModels>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)

    :return: ``Models``, ``ModelIntrospectionSchema`` and ``Status``: ``LATEST``, or ``STALE`` after a change of the
        API.
    """

    api_operation: ClassVar[str] = "GetBackendAPIModels"

    def __init__(self, *, app_id: str, backend_environment_name: str, resource_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name

    if TYPE_CHECKING:

        def execute(self, context: Context) -> GetBackendAPIModelsResponseTypeDef: ...
