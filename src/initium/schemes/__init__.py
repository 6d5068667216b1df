"""Which law fills a parameter: schemes from the literature, each an expression of small rules over facts."""

from initium.schemes._deepnorm import deepnorm
from initium.schemes._delta_orthogonal import delta_orthogonal
from initium.schemes._depth_scaled import depth_scaled
from initium.schemes._fixup import fixup
from initium.schemes._glorot import glorot_normal, glorot_uniform
from initium.schemes._gpt2 import gpt2
from initium.schemes._he import he_normal, he_uniform
from initium.schemes._lecun import lecun_normal, lecun_uniform
from initium.schemes._mimetic import mimetic
from initium.schemes._mup import Optimizer, lr_factor, mup
from initium.schemes._one_law import normal, uniform, zeros
from initium.schemes._orthogonal import orthogonal
from initium.schemes._parts import each_matrix, steep_gain
from initium.schemes._prior import numbers, sigmoid_prior, softmax_prior
from initium.schemes._rnn import rnn
from initium.schemes._rows import rows
from initium.schemes._rule import Choice, Rule, Scheme, Selector, always, first_of, on
from initium.schemes._select import ends_branch, followed_by, frozen, in_branch, layout, named, owned_by, role
from initium.schemes._shaped import Method, dks, misshapen, tat
from initium.schemes._siren import siren
from initium.schemes._spec import scheme
from initium.schemes._subln import subln
from initium.schemes._t_fixup import t_fixup
from initium.schemes._table import SCHEMES
from initium.schemes._textbook import textbook
from initium.schemes._widths import Shapes, Widths, check_shapes, widths
from initium.schemes._zero_residual import zero_residual

__all__ = [
    "SCHEMES",
    "Choice",
    "Method",
    "Optimizer",
    "Rule",
    "Scheme",
    "Selector",
    "Shapes",
    "Widths",
    "always",
    "check_shapes",
    "deepnorm",
    "delta_orthogonal",
    "depth_scaled",
    "dks",
    "each_matrix",
    "ends_branch",
    "first_of",
    "fixup",
    "followed_by",
    "frozen",
    "glorot_normal",
    "glorot_uniform",
    "gpt2",
    "he_normal",
    "he_uniform",
    "in_branch",
    "layout",
    "lecun_normal",
    "lecun_uniform",
    "lr_factor",
    "mimetic",
    "misshapen",
    "mup",
    "named",
    "normal",
    "numbers",
    "on",
    "orthogonal",
    "owned_by",
    "rnn",
    "role",
    "rows",
    "scheme",
    "sigmoid_prior",
    "siren",
    "softmax_prior",
    "steep_gain",
    "subln",
    "t_fixup",
    "tat",
    "textbook",
    "uniform",
    "widths",
    "zero_residual",
    "zeros",
]
