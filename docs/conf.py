"""Settings of Sphinx, for `make docs` and .readthedocs.yaml."""

import atexit
import os
import shutil
import tempfile

# autodoc imports Airflow, which writes its configuration into its home: into one that ends with the build.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="amplifybackend-docs-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

from airflow_provider_amplifybackend import __version__  # noqa: E402 - it needs that home

project = "airflow-provider-amplifybackend"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples"]
myst_heading_anchors = 4
# Docstrings name the types of a signature in words; the signature itself is enough.
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = project
# Where search engines are sent, whichever version somebody has found. Read the Docs sets it.
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
# For `make docs-links`: placeholders, names that stand for a reader's own, and addresses of this machine.
linkcheck_ignore = [r"https?://([\w-]+\.)*example(\.com|\.org)?([:/]|$)", r"https?://(localhost|127\.0\.0\.1)([:/]|$)"]
linkcheck_timeout = 30
linkcheck_retries = 3
linkcheck_report_timeouts_as_broken = False  # they fail all the same, and say what they are
