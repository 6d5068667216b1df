"""A good start for any neural network, and the proof that it is good."""

from importlib.metadata import version

from initium import errors, gains, init, schemes
from initium._front import diagnose, initialize, plan
from initium.audit import Audit, AuditRow, audit
from initium.calibrate import lsuv
from initium.errors import (
    ArgumentError,
    ArgumentTypeError,
    BatchError,
    InitiumError,
    LossError,
    PlanError,
    TraceError,
    UnhealthyError,
    UnknownNameError,
)
from initium.gains import gain
from initium.network import Batch
from initium.planning import Plan
from initium.records import (
    Constant,
    Finding,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    Receipt,
    Signal,
    TruncatedNormal,
    Uniform,
)
from initium.report import Report
from initium.signal import measure

__version__ = version("initium")

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "Audit",
    "AuditRow",
    "Batch",
    "BatchError",
    "Constant",
    "Finding",
    "InitiumError",
    "Keep",
    "LossError",
    "Normal",
    "Orthogonal",
    "Packed",
    "Plan",
    "PlanError",
    "Receipt",
    "Report",
    "Signal",
    "TraceError",
    "TruncatedNormal",
    "UnhealthyError",
    "Uniform",
    "UnknownNameError",
    "__version__",
    "audit",
    "diagnose",
    "errors",
    "gain",
    "gains",
    "init",
    "initialize",
    "lsuv",
    "measure",
    "plan",
    "schemes",
]
