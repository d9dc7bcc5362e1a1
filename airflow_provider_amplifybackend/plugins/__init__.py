"""Pages in Airflow's own UI (Airflow 3.1 and later)."""
