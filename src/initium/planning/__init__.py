"""The plan: what is written into every parameter and why; and the one function that changes a parameter."""

from initium.planning._atomic import all_or_nothing, exchange
from initium.planning._checks import matched
from initium.planning._diff import Change, PlanDiff
from initium.planning._groups import mup_groups
from initium.planning._journal import Journal, Undo, undo_of
from initium.planning._make import asking, plan
from initium.planning._overrides import Overrides
from initium.planning._plan import Plan
from initium.planning._prior import Prior
from initium.planning._shaping import Shaped, shape_activations
from initium.planning._spread import expected_std, law_of_fill
from initium.planning._write import pieces, write

__all__ = [
    "Change",
    "Journal",
    "Overrides",
    "Plan",
    "PlanDiff",
    "Prior",
    "Shaped",
    "Undo",
    "all_or_nothing",
    "asking",
    "exchange",
    "expected_std",
    "law_of_fill",
    "matched",
    "mup_groups",
    "pieces",
    "plan",
    "shape_activations",
    "undo_of",
    "write",
]
