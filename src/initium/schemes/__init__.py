"""Which law fills a parameter: schemes from the literature, each an expression of small rules over facts."""

from initium.schemes._deepnorm import deepnorm
from initium.schemes._delta_orthogonal import delta_orthogonal
from initium.schemes._depth_scaled import depth_scaled
from initium.schemes._fixup import fixup
from initium.schemes._glorot import glorot_normal, glorot_uniform
from initium.schemes._gpt2 import gpt2
from initium.schemes._he import he_normal, he_uniform
from initium.schemes._lecun import lecun_normal, lecun_uniform
from initium.schemes._one_law import normal, uniform, zeros
from initium.schemes._orthogonal import orthogonal
from initium.schemes._parts import each_matrix
from initium.schemes._rows import rows
from initium.schemes._rule import Choice, Rule, Scheme, Selector, always, first_of, on
from initium.schemes._select import ends_branch, followed_by, frozen, in_branch, layout, named, owned_by, role
from initium.schemes._spec import scheme
from initium.schemes._subln import subln
from initium.schemes._t_fixup import t_fixup
from initium.schemes._table import SCHEMES
from initium.schemes._textbook import textbook
from initium.schemes._zero_residual import zero_residual

__all__ = [
    "SCHEMES",
    "Choice",
    "Rule",
    "Scheme",
    "Selector",
    "always",
    "deepnorm",
    "delta_orthogonal",
    "depth_scaled",
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
    "named",
    "normal",
    "on",
    "orthogonal",
    "owned_by",
    "role",
    "rows",
    "scheme",
    "subln",
    "t_fixup",
    "textbook",
    "uniform",
    "zero_residual",
    "zeros",
]
