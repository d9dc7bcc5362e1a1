"""Operators for the challenge tokens with which Amplify Studio is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator

if TYPE_CHECKING:
    from mypy_boto3_amplifybackend.type_defs import (
        CreateTokenResponseTypeDef,
        DeleteTokenResponseTypeDef,
        GetTokenResponseTypeDef,
    )

    from airflow_provider_amplifybackend._compat import Context


class CreateTokenOperator(AmplifyBackendOperator):
    """
    Create a one-time challenge token for Amplify Studio.

    .. seealso:: `CreateToken <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateToken>`__

    :param app_id: The app's id. (templated)

    :return: ``AppId``, ``SessionId`` and ``Ttl``. The challenge code is a secret and is replaced by ``***``: a task
        that needs it calls ``AmplifyBackendHook().conn.create_token`` and uses it in the same process.
    """

    api_operation: ClassVar[str] = "CreateToken"

    def __init__(self, *, app_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id

    if TYPE_CHECKING:

        def execute(self, context: Context) -> CreateTokenResponseTypeDef: ...


class GetTokenOperator(AmplifyBackendOperator):
    """
    Get a challenge token by its session.

    .. seealso:: `GetToken <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetToken>`__

    :param app_id: The app's id. (templated)
    :param session_id: The session's id. (templated)

    :return: ``AppId``, ``SessionId`` and ``Ttl``; the challenge code is replaced by ``***``.
    """

    api_operation: ClassVar[str] = "GetToken"

    def __init__(self, *, app_id: str, session_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.session_id = session_id

    if TYPE_CHECKING:

        def execute(self, context: Context) -> GetTokenResponseTypeDef: ...


class DeleteTokenOperator(AmplifyBackendOperator):
    """
    Delete a challenge token.

    .. seealso:: `DeleteToken <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/DeleteToken>`__

    :param app_id: The app's id. (templated)
    :param session_id: The session's id. (templated)

    :return: ``IsSuccess``.
    """

    api_operation: ClassVar[str] = "DeleteToken"

    def __init__(self, *, app_id: str, session_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.session_id = session_id

    if TYPE_CHECKING:

        def execute(self, context: Context) -> DeleteTokenResponseTypeDef: ...
