"""Links from a task to its environment, in the Amplify console and in Amplify Studio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow_provider_amplifybackend._compat import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import BaseOperator

CONSOLE_DOMAINS = {"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn"}
# The console's own name for the backend tab of an app, in base 64.
BACKEND_TAB = "YmFja2VuZA"


class _EnvironmentLink(BaseOperatorLink):
    """A link to an environment. The address is stored by the task, which knows the region and the rendered names."""

    key: ClassVar[str]

    @property
    def xcom_key(self) -> str:
        """The key under which Airflow looks for the address. It stores there, once more, what it gets here."""
        return self.key

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address, or an empty text where the task has not stored one."""
        return str(XCom.get_value(key=self.key, ti_key=ti_key) or "")


class AmplifyConsoleLink(_EnvironmentLink):
    """The app's environment in the Amplify console."""

    name = "Amplify console"
    key = "amplify_console_link"


class AmplifyStudioLink(_EnvironmentLink):
    """The app's environment in Amplify Studio."""

    name = "Amplify Studio"
    key = "amplify_studio_link"


def link_addresses(region: str, app_id: str, environment: str) -> dict[str, str]:
    """Return the addresses of an environment, by the XCom key of their link."""
    app_id, environment = quote(app_id, safe=""), quote(environment, safe="")
    domain = CONSOLE_DOMAINS.get("aws-cn" if region.startswith("cn-") else "aws")
    return {
        AmplifyConsoleLink.key: (
            f"https://{region}.{domain}/amplify/home?region={region}#/{app_id}/{BACKEND_TAB}/{environment}"
        ),
        AmplifyStudioLink.key: f"https://{region}.admin.amplifyapp.com/admin/{app_id}/{environment}/home",
    }
