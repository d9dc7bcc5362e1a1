"""The plugin: the page "Amplify backends" in the navigation, and the tab "Amplify job" on task instances.

Every process of Airflow imports this module, and only the API server shows a page: whatever a page needs is imported
with the first request.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from airflow_provider_amplifybackend._compat import HAS_PLUGIN_PAGES, plugin_base

PREFIX = "/amplifybackend"
# Airflow resolves them against its own base address. It fills in the placeholders.
FLEET = {
    "name": "Amplify backends",
    "href": f"{PREFIX.removeprefix('/')}/fleet",
    "destination": "nav",
    "category": "browse",
    "url_route": "amplify-backends",
}
JOB = {
    "name": "Amplify job",
    "href": f"{PREFIX.removeprefix('/')}/job/{{DAG_ID}}?run_id={{RUN_ID}}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}",
    "destination": "task_instance",
    "url_route": "amplify-job",
}

_Plugin: Any = plugin_base()


class Pages:
    """The ASGI application of the pages, made when Airflow's API server first asks it for one."""

    @cached_property
    def _application(self) -> Any:
        from airflow_provider_amplifybackend.plugins._application import make_application

        return make_application()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        await self._application(scope, receive, send)


class AmplifyBackendsPlugin(_Plugin):  # type: ignore[misc]
    """The pages about Amplify backends; on Airflow 2.11 and 3.0, which have no place for them, nothing."""

    name = "amplifybackend"
    fastapi_apps: ClassVar[list[Any]] = (
        [{"app": Pages(), "url_prefix": PREFIX, "name": "Amplify backends"}] if HAS_PLUGIN_PAGES else []
    )
    external_views: ClassVar[list[Any]] = [FLEET, JOB] if HAS_PLUGIN_PAGES else []
