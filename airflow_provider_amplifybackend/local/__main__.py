"""`python -m airflow_provider_amplifybackend.local` is `amplifybackend-local`."""

from airflow_provider_amplifybackend.local.cli import main

raise SystemExit(main())
