"""Operators for an app's Amplify Studio (Admin UI) configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.operators._guarded import GuardedOperator
from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator

if TYPE_CHECKING:
    from mypy_boto3_amplifybackend.type_defs import (
        LoginAuthConfigReqObjTypeDef,
        RemoveBackendConfigResponseTypeDef,
        UpdateBackendConfigResponseTypeDef,
    )

    from airflow_provider_amplifybackend._compat import Context


class CreateBackendConfigOperator(AmplifyBackendJobOperator):
    """
    Create the configuration of Amplify Studio for an app. Its job lives in an environment that the answer names.

    It has no ``if_exists``: the service has no way to ask whether there is a configuration, and refuses a second one.

    .. seealso:: `CreateBackendConfig <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateBackendConfig>`__

    :param app_id: The app's id. (templated)
    :param backend_manager_app_id: The app id of the backend manager. (templated)
    """

    api_operation: ClassVar[str] = "CreateBackendConfig"

    def __init__(self, *, app_id: str, backend_manager_app_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_manager_app_id = backend_manager_app_id


class UpdateBackendConfigOperator(GuardedOperator):
    """
    Update the configuration of Amplify Studio for an app. It answers at once.

    .. seealso:: `UpdateBackendConfig <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/UpdateBackendConfig>`__

    :param app_id: The app's id. (templated)
    :param login_auth_config: The Cognito pools that people log in with: ``AwsUserPoolsId``,
        ``AwsUserPoolsWebClientId``, ``AwsCognitoIdentityPoolId``, ``AwsCognitoRegion``: a dictionary, JSON text or a
        ``.json`` file. (templated)

    :return: ``AppId``, ``BackendManagerAppId``, ``LoginAuthConfig`` and ``Error``.
    """

    api_operation: ClassVar[str] = "UpdateBackendConfig"
    template_ext = (".json",)
    template_fields_renderers = {"login_auth_config": "json"}

    def __init__(
        self, *, app_id: str, login_auth_config: LoginAuthConfigReqObjTypeDef | str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.login_auth_config = login_auth_config

    if TYPE_CHECKING:

        def execute(self, context: Context) -> UpdateBackendConfigResponseTypeDef: ...


class RemoveBackendConfigOperator(GuardedOperator):
    """
    Remove the configuration of Amplify Studio from an app. It answers at once; there is no job.

    .. seealso:: `RemoveBackendConfig <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/RemoveBackendConfig>`__

    :param app_id: The app's id. (templated)

    :return: ``Error``, if there is one.
    """

    api_operation: ClassVar[str] = "RemoveBackendConfig"

    def __init__(self, *, app_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id

    if TYPE_CHECKING:

        def execute(self, context: Context) -> RemoveBackendConfigResponseTypeDef: ...
