"""Assets that stand for backend environments: ``amplifybackend://APP/ENVIRONMENT``.

A DAG is scheduled by the changes of one with ``schedule=[backend_asset("d1abc", "staging")]``, and by those of all with
``schedule=[AssetAlias(BACKEND_CHANGES)]`` (Airflow 3.0 and later).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from airflow_provider_amplifybackend._compat import asset
from airflow_provider_amplifybackend.core import names

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SCHEME = "amplifybackend"
# The alias of all events that our operators emit. Which environment a task changes is known when its parameters are
# rendered; the alias is known when the DAG is parsed.
BACKEND_CHANGES = "amplifybackend"


def backend_uri(app_id: str, backend_environment_name: str | None = None) -> str:
    """
    Return the URI of an environment, or of an app.

    :param app_id: The app's id.
    :param backend_environment_name: The environment. Without it, the URI is the app's: that of operations which act on
        the app, such as ``RemoveAllBackends``.
    :raises ValueError: One of them can name nothing.
    """
    given = {"app_id": app_id, "backend_environment_name": backend_environment_name}
    for parameter, name in given.items():
        if name is not None and (problem := names.problem(parameter, name)):
            raise ValueError(problem)
    return f"{SCHEME}://{quote(app_id, safe='')}/{quote(backend_environment_name or '', safe='')}"


def backend_asset(app_id: str, backend_environment_name: str | None = None, **more: Any) -> Any:
    """
    Return the asset of an environment, or of an app, as our operators emit events for it (Airflow 3.0 and later).

    Its name is its URI: an asset of another name is another asset for Airflow, which our events do not reach.

    :param app_id: The app's id.
    :param backend_environment_name: The environment. Default: the app.
    :param more: ``group``, ``extra`` or ``watchers`` of the asset.
    """
    return asset(backend_uri(app_id, backend_environment_name), **more)


def create_asset(*, app_id: str, backend_environment_name: str | None = None, extra: Any = None) -> Any:
    """Return the asset of an environment. Airflow calls this by the scheme."""
    return backend_asset(app_id, backend_environment_name, extra=extra)


def lineage_names(app_id: str, backend_environment_name: str | None = None) -> tuple[str, str]:
    """Return the namespace and the name under which OpenLineage knows an environment: the two parts of its URI.

    The name of an app, which has no second part, is ``/``.
    """
    return _lineage_names(backend_uri(app_id, backend_environment_name))


def _lineage_names(uri: str) -> tuple[str, str]:
    namespace, _, name = uri.rpartition("/")
    return namespace, name or "/"


def convert_to_openlineage(asset: Any, lineage_context: Any) -> Any:
    """Return the dataset of an asset. Airflow's OpenLineage provider calls this for each inlet and outlet."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, name = _lineage_names(str(asset.uri))
    return Dataset(namespace=namespace, name=name)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Return the normal form of a URI. Airflow calls this for each asset of the scheme.

    :raises ValueError: It names neither an environment nor an app.
    """
    environment = uri.path.removeprefix("/")
    if not uri.netloc or uri.query or "/" in environment:
        raise ValueError(f"URI format {SCHEME}:// must be {SCHEME}://APP_ID/ENVIRONMENT, or {SCHEME}://APP_ID/")
    normal = backend_uri(unquote(uri.netloc), unquote(environment) or None)
    netloc, _, path = normal.removeprefix(f"{SCHEME}://").partition("/")
    return uri._replace(netloc=netloc, path=f"/{path}")
