"""From weights to the laws that they look like, and to where these are not what a plan meant."""

from initium.audit._audit import Audit
from initium.audit._make import audit
from initium.audit._row import AuditRow

__all__ = ["Audit", "AuditRow", "audit"]
