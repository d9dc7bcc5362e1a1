"""Settings of Sphinx, for `make docs`."""

from airflow_provider_amplifybackend import __version__

project = "airflow-provider-amplifybackend"
release = version = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = project
