"""Benchmarks: one file per claim, each against a named peer. See docs/benchmarks.md."""
