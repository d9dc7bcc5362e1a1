"""A local AmplifyBackend: the service's state, jobs and faults behind its real wire format."""
