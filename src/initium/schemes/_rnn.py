"""Recurrent layers: orthogonal or identity states, and biases that let the gates remember."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from torch.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

from initium.errors import ArgumentError
from initium.records import Blocks, Constant, Identity, Normal, Values
from initium.schemes._orthogonal import orthogonal_law
from initium.schemes._parts import REST, has_fans
from initium.schemes._rule import Choice, Rule, Scheme, always, first_of, on
from initium.schemes._select import owned_by, role
from initium.schemes._textbook import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initium.network import Facts
    from initium.records import Fill

Recurrent = Literal["orthogonal", "identity"]

LEAST_TIME = 2.0  # below it log(t_max - 1) is negative: the gates would forget at once


@dataclass(frozen=True, slots=True)
class Gates:
    """How the gates of one kind of layer start.

    Attributes:
        order: The gates, as torch packs them in one bias.
        keeps: The gate that keeps the state.
        writes: The gate that lets the input in; empty where one gate does both.
        bias: The start of the gate that keeps.
        t_max: The longest time to remember, in steps, where the start is to be chrono's.
        split: Half of it in each of the two biases.
    """

    order: tuple[str, ...]
    keeps: str
    writes: str
    bias: float
    t_max: float | None
    split: bool

    def fill(self, units: int) -> Fill:
        """Of one bias."""
        share = 0.5 if self.split else 1.0
        if self.t_max is None:
            starts: dict[str, Fill] = {self.keeps: Constant(share * self.bias)}
        else:
            times = chrono(units, self.t_max)
            starts = {
                self.keeps: Values(tuple(share * each for each in times)),
                self.writes: Values(tuple(-share * each for each in times)),
            }
        return Blocks(0, tuple(starts.get(gate, Constant(0.0)) for gate in self.order))

    @property
    def law(self) -> str:
        """In the field's words."""
        half = "half of " if self.split else ""
        if self.t_max is None:
            return f"{half}{self.keeps} {self.bias:.4g}, other gates 0"
        return f"{half}chrono, t_max {self.t_max:.6g}"


def chrono(units: int, t_max: float) -> tuple[float, ...]:
    """The logarithms of forgetting times spread evenly over [1, t_max - 1]: the middles of as many equal parts."""
    step = (t_max - LEAST_TIME) / units
    return tuple(math.log(1 + (unit + 0.5) * step) for unit in range(units))


def _bias(gates: Gates, why: str, facts: Facts) -> Choice | None:
    """The two biases of a layer are added, and the sum is what counts."""
    if gates.t_max is None and gates.bias == 0:
        return None
    attribute = facts.name.rpartition(".")[2]
    other = attribute.replace("_ih", "_hh") if "_ih" in attribute else attribute.replace("_hh", "_ih")
    added = f"{attribute} and {other} are added"
    if not gates.split and "_hh" in attribute:
        return Choice(Constant(0.0), "zeros", f"{added}, and {other} has all of the gates' start")
    share = "each has half of it" if gates.split else f"{other} is 0"
    return Choice(gates.fill(facts.shape[0] // len(gates.order)), gates.law, f"{why}; {added}, and {share}")


# ---- states ----


def _identity(facts: Facts) -> Choice | None:
    """Le's identity is for a state that comes back through one matrix; gates have several."""
    if facts.parts > 1:
        return orthogonal_law(1.0, "gates, for which Le et al. have no identity: Saxe et al. 2014 section 3", facts)
    return Choice(Identity(1.0), "identity", "a state comes back through it: Le et al. 2015 section 2")


_INTO_IDENTITY = always(Normal(0.001), "it writes into a state that the identity keeps: Le et al. 2015 section 4")
_ORTHOGONAL: Rule = partial(orthogonal_law, 1.0, "a state comes back through it: Saxe et al. 2014 section 3")


def _rule(recurrent: Recurrent, lstm: Gates, gru: Gates) -> Rule:
    identity = recurrent == "identity"
    remembers = "Jozefowicz et al. 2015" if lstm.t_max is None else "Tallec & Ollivier 2018 eq. 16"
    keeps = "h' = (1 - z) n + z h, so z keeps the state" + ("" if gru.t_max is None else f": {remembers}, for z")
    return first_of(
        on(role("recurrent"), on(has_fans, _identity if identity else _ORTHOGONAL)),
        on(role("weight"), on(owned_by(RNN, RNNCell), _INTO_IDENTITY)) if identity else first_of(),
        on(has_fans, WEIGHTS),
        on(role("bias"), on(owned_by(LSTM, LSTMCell), partial(_bias, lstm, remembers))),
        on(role("bias"), on(owned_by(GRU, GRUCell), partial(_bias, gru, keeps))),
        REST,
    )


def rnn(
    recurrent: Recurrent = "orthogonal",
    forget_bias: float = 1.0,
    update_bias: float = 0.0,
    t_max: float | None = None,
    *,
    split: bool = False,
) -> Scheme:
    r"""Recurrent layers that remember; everything else as :func:`textbook`.

    $$W_{hh} = Q \;\text{of each gate, or}\; I, \qquad b_{ih} + b_{hh} = (0, b_f, 0, 0) \;\text{for the gates i, f, g, o}$$

    With ``t_max`` the forget gates of an LSTM start so that its units forget after times that are spread over
    [1, t_max - 1], and the input gates opposite to them: $b_f = \log T$, $b_i = -b_f$. A GRU has one gate for both, z
    of $h' = (1 - z) n + z h$ (gates r, z, n): it starts at ``update_bias``, or at $\log T$.

    torch adds two biases, ``bias_ih`` and ``bias_hh``; only their sum acts. All of it is put in the first, or, with
    ``split``, half in each; the rows say which. A layer made with ``bias=False`` has nowhere to put it, and cells that are
    written by hand have no gates that could be known: their biases start at 0.

    Args:
        recurrent: ``orthogonal`` for every state's matrix, each gate by itself; or ``identity``, for plain recurrent
            layers with ReLU, whose input weights are then N(0, 0.001^2). Gated layers stay orthogonal.
        forget_bias: The sum of an LSTM's two forget biases.
        update_bias: The sum of a GRU's two update biases; above 0 it keeps its state at first.
        t_max: The longest dependency in the data, in steps; above 2. It takes the place of the two biases.
        split: Half of the sum in each of the two.

    Returns:
        The scheme.

    Raises:
        ArgumentError: Another ``recurrent``, a bias that is not finite, or a ``t_max`` that is not above 2.

    Example:
        >>> import torch, initium
        >>> plan = initium.plan(torch.nn.LSTM(3, 4), torch.randn(5, 2, 3), "rnn")
        >>> plan["bias_ih_l0"].law, plan["bias_hh_l0"].law
        ('forget 1, other gates 0', 'zeros')

    Reference:
        Le, Jaitly & Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units" (2015), sections 2
        and 4; Saxe et al. 2014, section 3; Jozefowicz, Zaremba & Sutskever, "An Empirical Exploration of Recurrent
        Network Architectures" (ICML 2015), on the forget gate's bias; Tallec & Ollivier, "Can recurrent neural networks
        warp time?" (ICLR 2018), section 2, eq. 16. The gates' order is that of torch.nn.LSTM and torch.nn.GRU.

    Deviation:
        Tallec & Ollivier draw T from U(1, t_max - 1); here it is spread evenly over the units, which are alike before
        they are filled. That is the same law with less noise, and lets b_i be -b_f to the bit. Their GRU has U(1, t_max)
        - 1 under the logarithm, which is unbounded at 1; here it has the LSTM's interval.
    """
    if recurrent not in {"orthogonal", "identity"}:
        raise ArgumentError(f"recurrent must be 'orthogonal' or 'identity'; got {recurrent!r}.")
    _ = Constant(forget_bias), Constant(update_bias)  # their check: finite
    if t_max is not None and not (math.isfinite(t_max) and t_max > LEAST_TIME):
        raise ArgumentError(f"t_max counts steps and must be above 2; got {t_max!r}. Give the longest dependency.")
    lstm = Gates(("input", "forget", "cell", "output"), "forget", "input", forget_bias, t_max, split)
    gru = Gates(("reset", "update", "new"), "update", "", update_bias, t_max, split)
    asked = {
        "recurrent": recurrent,
        "forget_bias": forget_bias,
        "update_bias": update_bias,
        "t_max": t_max,
        "split": split,
    }
    return Scheme(
        _name(asked), _rule(recurrent, lstm, gru), "Saxe 2014; Le 2015; Jozefowicz 2015; Tallec & Ollivier 2018"
    )


_USUAL = {"recurrent": "orthogonal", "forget_bias": 1.0, "update_bias": 0.0, "t_max": None, "split": False}


def _name(asked: Mapping[str, object]) -> str:
    given = ", ".join(f"{key}={value!r}" for key, value in asked.items() if value != _USUAL[key])
    return f"rnn({given})" if given else "rnn"
