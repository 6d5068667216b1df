"""A healthy start as a test: assertions for any test runner, and for pytest a fixture (``pytest_initium``)."""

from initium.testing._healthy import assert_healthy, assert_report

__all__ = ["assert_healthy", "assert_report"]
