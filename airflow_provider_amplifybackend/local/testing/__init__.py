"""The parts that only tests need: fault scripts, the journal, seeds, and an Airflow of the tests' own."""
