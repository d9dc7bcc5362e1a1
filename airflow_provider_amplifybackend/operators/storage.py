"""Operators for the storage resource of an environment: an S3 bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_amplifybackend.operators._base import AmplifyBackendOperator
from airflow_provider_amplifybackend.operators._configured import ConfiguredResource
from airflow_provider_amplifybackend.operators._job_base import (
    AmplifyBackendJobOperator,
    CreatingOperator,
    RemovingOperator,
)
from airflow_provider_amplifybackend.operators._paged import PagedOperator

if TYPE_CHECKING:
    from mypy_boto3_amplifybackend.type_defs import (
        CreateBackendStorageResourceConfigTypeDef,
        GetBackendStorageResponseTypeDef,
        ListS3BucketsResponseTypeDef,
        UpdateBackendStorageResourceConfigTypeDef,
    )

    from airflow_provider_amplifybackend._compat import Context


class CreateBackendStorageOperator(ConfiguredResource, CreatingOperator):
    """
    Create the storage resource of an environment.

    .. seealso:: `CreateBackendStorage <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/CreateBackendStorage>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_config: ``ServiceName`` (``S3``), ``Permissions`` and, if wanted, ``BucketName``: a dictionary,
        JSON text or a ``.json`` file. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "CreateBackendStorage"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_config: CreateBackendStorageResourceConfigTypeDef | str,
        resource_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name


class UpdateBackendStorageOperator(ConfiguredResource, AmplifyBackendJobOperator):
    """
    Update the storage resource of an environment.

    .. seealso:: `UpdateBackendStorage <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/UpdateBackendStorage>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_config: ``ServiceName`` (``S3``) and ``Permissions``: a dictionary, JSON text or a ``.json``
        file. (templated)
    :param resource_name: The name of the resource. (templated)
    """

    api_operation: ClassVar[str] = "UpdateBackendStorage"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        resource_config: UpdateBackendStorageResourceConfigTypeDef | str,
        resource_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_config = resource_config
        self.resource_name = resource_name


class ImportBackendStorageOperator(CreatingOperator):
    """
    Import an existing S3 bucket as the storage resource of an environment.

    .. seealso:: `ImportBackendStorage <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/ImportBackendStorage>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param service_name: The service of the storage: ``S3``. (templated)
    :param bucket_name: The bucket. (templated)
    """

    api_operation: ClassVar[str] = "ImportBackendStorage"

    def __init__(
        self,
        *,
        app_id: str,
        backend_environment_name: str,
        service_name: str,
        bucket_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.service_name = service_name
        self.bucket_name = bucket_name


class DeleteBackendStorageOperator(RemovingOperator):
    """
    Delete the storage resource of an environment.

    .. seealso:: `DeleteBackendStorage <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/DeleteBackendStorage>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)
    :param service_name: The service of the storage: ``S3``. (templated)
    """

    api_operation: ClassVar[str] = "DeleteBackendStorage"

    def __init__(
        self, *, app_id: str, backend_environment_name: str, resource_name: str, service_name: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name
        self.service_name = service_name


class GetBackendStorageOperator(AmplifyBackendOperator):
    """
    Get the configuration of the storage resource of an environment.

    .. seealso:: `GetBackendStorage <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendStorage>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param resource_name: The name of the resource. (templated)

    :return: ``ResourceConfig`` and ``ResourceName``.
    """

    api_operation: ClassVar[str] = "GetBackendStorage"

    def __init__(self, *, app_id: str, backend_environment_name: str, resource_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.resource_name = resource_name

    if TYPE_CHECKING:

        def execute(self, context: Context) -> GetBackendStorageResponseTypeDef: ...


class ListS3BucketsOperator(PagedOperator):
    """
    List the account's S3 buckets, over all pages.

    .. seealso:: `ListS3Buckets <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/ListS3Buckets>`__

    :param next_token: Where an earlier listing ended. (templated)

    :return: ``Buckets``, each with ``Name`` and ``CreationDate``; ``NextToken`` if ``max_items`` ended the listing.
    """

    api_operation: ClassVar[str] = "ListS3Buckets"
    items_member: ClassVar[str] = "Buckets"

    def __init__(self, *, next_token: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.next_token = next_token

    if TYPE_CHECKING:

        def execute(self, context: Context) -> ListS3BucketsResponseTypeDef: ...
