"""The command line."""

from initium.cli._app import app, main

__all__ = ["app", "main"]
