"""Apache Airflow provider for AWS AmplifyBackend: environments, auth, API, storage, config, tokens, jobs."""

__version__ = "0.1.0"
