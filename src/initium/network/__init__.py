"""A module and a batch to a graph of ATen operations, and the facts of every parameter."""

from initium.network._across import across_samples, recurred, rows_for_steps, transposed
from initium.network._addend import addend
from initium.network._axes import fans_along, output_axes
from initium.network._batch import Batch, as_batch, spoiled
from initium.network._beside_keys import beside_keys
from initium.network._bounds import Bounds, bounds
from initium.network._called import output_of
from initium.network._casting import cast_as, casting
from initium.network._collector import collector_spared
from initium.network._cut_rows import cut_rows
from initium.network._cuts import chosen, heedless, partly_read, severed, unfed, unread
from initium.network._dropped import Dropped, dropped
from initium.network._ending import Ending, ending, over_one, squashed_again
from initium.network._facts import ROLES, WEIGHT_NORM, Attends, Facts, HeadPart, Neighbour, Role, Use
from initium.network._guard import random_state_kept, unchanged
from initium.network._head import scores
from initium.network._last import read_at_first, read_at_last
from initium.network._leaves import map_tensors, named_tensors, tensors_in
from initium.network._log_scales import log_scales
from initium.network._loose import loose
from initium.network._lost import lost, order_of
from initium.network._modules import Held, held
from initium.network._neighbours import ANSWERS
from initium.network._network import Network
from initium.network._nulled import factors, nulled
from initium.network._ops import (
    MOVES,
    MULTIPLIES,
    NORMS,
    RECURRENT,
    SUMS,
    behind,
    constant_of,
    is_float,
    made_of,
    op_name,
    own_statistics,
    shape_of,
)
from initium.network._over_all import over_all
from initium.network._packed import view_of
from initium.network._pooled_back import pooled_back
from initium.network._read import as_module, read, read_hollow, refuse_lazy
from initium.network._rectified import exp_of_rectified
from initium.network._recut import recut
from initium.network._rejoined import root
from initium.network._residual import Residual, Stream
from initium.network._samples import GATHERS, Mixed, followed, gathering, mixed
from initium.network._sizes import sizes
from initium.network._spared import worth_sparing
from initium.network._straight import adjoining, straight, unbiased
from initium.network._trace import changes_something, trace
from initium.network._traced import Trace
from initium.network._walk import Walk, refusal, run_walk, writing
from initium.network._watch import written
from initium.network._ways_back import ways_back

__all__ = [
    "ANSWERS",
    "GATHERS",
    "MOVES",
    "MULTIPLIES",
    "NORMS",
    "RECURRENT",
    "ROLES",
    "SUMS",
    "WEIGHT_NORM",
    "Attends",
    "Batch",
    "Bounds",
    "Dropped",
    "Ending",
    "Facts",
    "HeadPart",
    "Held",
    "Mixed",
    "Neighbour",
    "Network",
    "Residual",
    "Role",
    "Stream",
    "Trace",
    "Use",
    "Walk",
    "across_samples",
    "addend",
    "adjoining",
    "as_batch",
    "as_module",
    "behind",
    "beside_keys",
    "bounds",
    "cast_as",
    "casting",
    "changes_something",
    "chosen",
    "collector_spared",
    "constant_of",
    "cut_rows",
    "dropped",
    "ending",
    "exp_of_rectified",
    "factors",
    "fans_along",
    "followed",
    "gathering",
    "heedless",
    "held",
    "is_float",
    "log_scales",
    "loose",
    "lost",
    "made_of",
    "map_tensors",
    "mixed",
    "named_tensors",
    "nulled",
    "op_name",
    "order_of",
    "output_axes",
    "output_of",
    "over_all",
    "over_one",
    "own_statistics",
    "partly_read",
    "pooled_back",
    "random_state_kept",
    "read",
    "read_at_first",
    "read_at_last",
    "read_hollow",
    "recurred",
    "recut",
    "refusal",
    "refuse_lazy",
    "root",
    "rows_for_steps",
    "run_walk",
    "scores",
    "severed",
    "shape_of",
    "sizes",
    "spoiled",
    "squashed_again",
    "straight",
    "tensors_in",
    "trace",
    "transposed",
    "unbiased",
    "unchanged",
    "unfed",
    "unread",
    "view_of",
    "ways_back",
    "worth_sparing",
    "writing",
    "written",
]
