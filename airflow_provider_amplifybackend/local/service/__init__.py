"""The service itself, without HTTP: its state, its jobs, and one handler per API operation."""
