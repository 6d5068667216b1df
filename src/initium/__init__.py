"""A good start for any neural network, and the proof that it is good."""

from importlib.metadata import version

from initium import errors, gains, init, schemes
from initium._front import audit, diagnose, initialize, plan, predict
from initium.audit import Audit, AuditRow
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
from initium.planning import Plan, mup_groups, shape_activations
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Finding,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    Receipt,
    Signal,
    TruncatedNormal,
    Uniform,
    Values,
)
from initium.report import Cured, Report
from initium.signal import coordinate_check, measure

__version__ = version("initium")

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "Audit",
    "AuditRow",
    "Batch",
    "BatchError",
    "Blocks",
    "Constant",
    "Cured",
    "DeltaOrthogonal",
    "Factor",
    "Finding",
    "Identity",
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
    "Values",
    "__version__",
    "audit",
    "coordinate_check",
    "diagnose",
    "errors",
    "gain",
    "gains",
    "init",
    "initialize",
    "lsuv",
    "measure",
    "mup_groups",
    "plan",
    "predict",
    "schemes",
    "shape_activations",
]
