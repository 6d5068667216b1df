"""Frozen values that pass between rooms; they know no torch operation."""

from initium.records._codec import fill_from_dict, fill_to_dict
from initium.records._fills import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Fill,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)
from initium.records._finding import SEVERITIES, Finding, Severity
from initium.records._ignored import Ignore, Suppressed
from initium.records._plan import PlanRow, Receipt, ReceiptRow
from initium.records._remedies import Calibrate, Code, Refill, Reinitialize, Remedy, SetPrior, code_of
from initium.records._seen import (
    AddedRow,
    AttentionRow,
    GateRow,
    InputRow,
    MaskRow,
    NormRow,
    ScaleRow,
    StateRow,
    TableRow,
    TargetRow,
)
from initium.records._several import at_least, counted, finite
from initium.records._signal import Signal, SignalRow

__all__ = [
    "SEVERITIES",
    "AddedRow",
    "AttentionRow",
    "Blocks",
    "Calibrate",
    "Code",
    "Constant",
    "DeltaOrthogonal",
    "Factor",
    "Fill",
    "Finding",
    "GateRow",
    "Identity",
    "Ignore",
    "InputRow",
    "Keep",
    "MaskRow",
    "NormRow",
    "Normal",
    "Orthogonal",
    "Packed",
    "PlanRow",
    "Receipt",
    "ReceiptRow",
    "Refill",
    "Reinitialize",
    "Remedy",
    "ScaleRow",
    "SetPrior",
    "Severity",
    "Signal",
    "SignalRow",
    "StateRow",
    "Suppressed",
    "TableRow",
    "TargetRow",
    "TruncatedNormal",
    "Uniform",
    "Values",
    "at_least",
    "code_of",
    "counted",
    "fill_from_dict",
    "fill_to_dict",
    "finite",
]
