"""Records to what a person reads, or a machine: it computes no number."""

from initium.report._report import Report

__all__ = ["Report"]
