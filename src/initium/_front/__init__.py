"""The verbs: each composes several rooms."""

from initium._front._verbs import audit, diagnose, initialize, plan, predict

__all__ = ["audit", "diagnose", "initialize", "plan", "predict"]
