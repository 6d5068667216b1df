"""Strings and numbers to what a terminal shows."""

from initium.terminal._table import table

__all__ = ["table"]
