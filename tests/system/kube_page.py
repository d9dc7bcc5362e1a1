"""The manifests of docs/kubernetes.md, and a cluster that is made of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from tests import pages
from tests.system.engine import RunningAirflow
from tests.system.kube_cluster import Cluster
from tests.system.kube_pods import Manifest

ROOT = Path(__file__).parents[2]
DOCUMENTS: dict[str, Manifest] = {
    document["kind"]: document
    for block in pages.blocks(pages.DOCS / "kubernetes.md", "yaml")
    if "kind" in (document := yaml.safe_load(block.text))
}
ROLE_ARN: str = DOCUMENTS["ServiceAccount"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]


def cluster_of_page(folder: Path, *, with_role: bool = True) -> Cluster:
    """Return a cluster with the page's namespace, rights and account; the folder is made when it starts."""
    rules = {resource: set(rule["verbs"]) for rule in DOCUMENTS["Role"]["rules"] for resource in rule["resources"]}
    roles = {DOCUMENTS["ServiceAccount"]["metadata"]["name"]: ROLE_ARN} if with_role else {}
    return Cluster(folder, namespace=DOCUMENTS["Role"]["metadata"]["namespace"], rules=rules, roles=roles)


def write_template(file: Path) -> dict[str, str]:
    """Write the page's pod template, and return the setting that names it."""
    file.write_text(yaml.safe_dump(DOCUMENTS["Pod"]))
    return {"AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(file)}


def give_image(cluster: Cluster, package: Path = ROOT) -> None:
    """Let the template's image hold a package; pods that run keep what they were started with."""
    cluster.objects.images[DOCUMENTS["Pod"]["spec"]["containers"][0]["image"]] = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "PYTHONPATH": str(package),
        "PYTHONUNBUFFERED": "1",
    }


def give_settings(cluster: Cluster, airflow: RunningAirflow, **more: str) -> None:
    """Put the page's ConfigMap into the cluster; only what has another address here is not as it says."""
    settings = DOCUMENTS["ConfigMap"]
    cluster.objects.config_maps[settings["metadata"]["name"]] = settings["data"] | {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow.api_url}/execution/",
        "AIRFLOW__CORE__DAGS_FOLDER": str(airflow.dags),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow.home / "task_logs"),
        **more,
    }
