"""Operators for the auth resource of an environment."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_provider_amplifybackend.operators.base import CreatingOperator


class CreateBackendAuthOperator(CreatingOperator):
    """
    Create the auth resource of an environment: a Cognito user pool, and an identity pool if asked for.

    .. seealso:: `CreateBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateBackendAuth>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_config: The configuration, in boto3's spelling: ``AuthResources``, ``Service``,
        ``UserPoolConfigs`` and, if asked for, ``IdentityPoolConfigs``. A dictionary or JSON text. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "CreateBackendAuth"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_config: dict[str, Any] | str,
        resource_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name
