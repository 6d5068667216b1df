"""Records to what a person reads, or a machine: it computes no number."""

from initium.report._report import Cured, Report, Step

__all__ = ["Cured", "Report", "Step"]
