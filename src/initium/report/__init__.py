"""Records to what a person reads, or a machine: it computes no number."""

from initium.report._accepted import accepted
from initium.report._github import github
from initium.report._junit import junit
from initium.report._place import Place
from initium.report._report import Cured, Report, Step
from initium.report._sarif import sarif
from initium.report._schema import SCHEMA_VERSION, schema

__all__ = ["SCHEMA_VERSION", "Cured", "Place", "Report", "Step", "accepted", "github", "junit", "sarif", "schema"]
