"""Operators for the auth resource of an environment."""

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
        CreateBackendAuthResourceConfigTypeDef,
        GetBackendAuthResponseTypeDef,
        UpdateBackendAuthResourceConfigTypeDef,
    )

    from airflow_provider_amplifybackend._compat import Context


class CreateBackendAuthOperator(ConfiguredResource, CreatingOperator):
    """
    Create the auth resource of an environment: a Cognito user pool, and an identity pool if asked for.

    .. seealso:: `CreateBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateBackendAuth>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_config: ``AuthResources``, ``Service``, ``UserPoolConfigs`` and, if asked for,
        ``IdentityPoolConfigs``: a dictionary, JSON text or a ``.json`` file. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "CreateBackendAuth"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_config: CreateBackendAuthResourceConfigTypeDef | str,
        resource_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name


class UpdateBackendAuthOperator(ConfiguredResource, AmplifyBackendJobOperator):
    """
    Update the auth resource of an environment.

    .. seealso:: `UpdateBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/UpdateBackendAuth>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_config: ``AuthResources``, ``Service``, ``UserPoolConfigs`` and, if asked for,
        ``IdentityPoolConfigs``: a dictionary, JSON text or a ``.json`` file. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "UpdateBackendAuth"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_config: UpdateBackendAuthResourceConfigTypeDef | str,
        resource_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name


class ImportBackendAuthOperator(CreatingOperator):
    """
    Import an existing Cognito user pool as the auth resource of an environment.

    .. seealso:: `ImportBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/ImportBackendAuth>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param native_client_id: The user pool's client for native apps. (templated)
    :param user_pool_id: The user pool's id, e.g. ``us-east-1_AbCdEfGhI``. (templated)
    :param web_client_id: The user pool's client for web apps. (templated)
    :param identity_pool_id: The identity pool's id. (templated)
    """

    api_operation: ClassVar[str] = "ImportBackendAuth"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        native_client_id: str,
        user_pool_id: str,
        web_client_id: str,
        identity_pool_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.native_client_id = native_client_id
        self.user_pool_id = user_pool_id
        self.web_client_id = web_client_id
        self.identity_pool_id = identity_pool_id


class DeleteBackendAuthOperator(RemovingOperator):
    """
    Delete the auth resource of an environment.

    .. seealso:: `DeleteBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/DeleteBackendAuth>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "DeleteBackendAuth"

    def __init__(self, *, app_id: str, backend_environment_name: str, resource_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name


class GetBackendAuthOperator(AmplifyBackendOperator):
    """
    Get the configuration of the auth resource of an environment.

    .. seealso:: `GetBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendAuth>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)

    :return: ``ResourceConfig`` and ``ResourceName``. The social providers' client secrets and Apple's private key
        are replaced by ``***``.
    """

    api_operation: ClassVar[str] = "GetBackendAuth"

    def __init__(self, *, app_id: str, backend_environment_name: str, resource_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name

    if TYPE_CHECKING:

        def execute(self, context: Context) -> GetBackendAuthResponseTypeDef: ...
