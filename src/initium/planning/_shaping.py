"""A model's activations, replaced by those that DKS and TAT train with; and the way back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from initium.checks import integer
from initium.errors import ArgumentError, PlanError, UnknownNameError
from initium.gains import Transformed, dks_activation, recognise, tat_activation
from initium.network import as_batch, as_module, read
from initium.schemes import misshapen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initium.gains import Nonlinearity
    from initium.network import Network
    from initium.schemes import Method

# Not to be asked for their values: they are the identity, or random.
_NONE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_MADE = {"dks": dks_activation, "tat": tat_activation}


@dataclass(frozen=True, slots=True, repr=False)
class Shaped:
    """What :func:`shape_activations` replaced.

    Attributes:
        method: ``dks`` or ``tat``.
        depth: For how many activations in a row they were shaped.
        replaced: The name of every module that was replaced, and the module that is there now.
        before: The modules that were there.
    """

    method: str
    depth: int
    replaced: dict[str, Transformed]
    before: dict[str, nn.Module] = field(repr=False)

    def __repr__(self) -> str:
        return f"Shaped({self.method} at depth {self.depth}: {len(self.replaced)} activations replaced)"

    def undo(self, model: nn.Module) -> None:
        """Puts back what was there.

        Args:
            model: The model that was given.

        Raises:
            ArgumentError: Another module is in the place of one of them; nothing is changed.

        Example:
            >>> import torch, initium
            >>> net = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3))
            >>> initium.shape_activations(net, torch.randn(2, 4), "dks").undo(net)
            >>> net[1]
            Tanh()
        """
        here = dict(model.named_modules(remove_duplicate=False))
        other = [name for name, made in self.replaced.items() if here.get(name) is not made]
        if other:
            raise ArgumentError(
                f"`{other[0]}` is not what shape_activations put there: it was replaced since, or the model is another."
            )
        _put(model, self.before)


def shape_activations(
    model: nn.Module, batch: object, method: Method = "tat", depth: int | None = None, **targets: float
) -> Shaped:
    r"""Replaces every activation that is a module by the one that DKS or TAT trains with.

    $$\hat\phi(x) = \gamma (\phi(\alpha x + \beta) + \delta)$$

    with the constants of :func:`~initium.gains.dks_activation` or :func:`~initium.gains.tat_activation` for ``depth``. The
    weights start by ``scheme="dks"`` or ``"tat"`` afterwards. A module is an activation if it has no parameters and no
    modules of its own, and is, by its values, an activation with a name; one that meets the method's conditions stays.

    Args:
        model: Any module; its activations are replaced in its own tree.
        batch: As for :func:`~initium.plan`: the graph tells the depth, and whether any activation is left.
        method: ``dks`` or ``tat``.
        depth: The most activations that follow one another on any way; ``None`` reads it off the graph.
        **targets: What the network is to have, as the method's function takes it: ``slope`` of DKS, ``curvature`` and
            ``correlation`` of TAT.

    Returns:
        What was replaced; its ``undo`` puts it back.

    Raises:
        UnknownNameError: No such method.
        PlanError: An activation cannot be shaped or is called inside ``forward``, or the output goes through a sigmoid. The model
            is then as it was.
        ArgumentError: A depth below 1.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.ReLU(), torch.nn.Linear(9, 3))
        >>> initium.shape_activations(net, torch.randn(2, 4), "tat", depth=50).replaced["1"]
        Transformed(leaky_relu(0.430523), alpha=1, beta=0, gamma=1.2989478, delta=0)

    Reference:
        Martens et al. (2021), Deep Kernel Shaping; Zhang et al. (2022), Tailored Activation Transformation: see the two
        functions of :mod:`initium.gains`.

    Deviation:
        As there: the network is taken for a chain as deep as its longest way.
    """
    if method not in _MADE:
        raise UnknownNameError(f"no method is called {method!r}; known: dks, tat.")
    network = read(as_module(model), as_batch(batch))
    _refuse_output(network)
    deep = _depth(network) if depth is None else integer(depth, "depth", least=1)
    before = dict(_activations(model, method))
    made = {
        name: _made(name, module, method, partial(_MADE[method], depth=deep, **targets))
        for name, module in before.items()
    }
    _put(model, made)
    try:
        _refuse_rest(read(model, as_batch(batch)), method)
    except BaseException:
        _put(model, before)
        raise
    return Shaped(method, deep, made, before)


def _activations(model: nn.Module, method: Method) -> Iterator[tuple[str, nn.Module]]:
    """Leaves without values of their own that are one function of one number; one that is shaped already is left."""
    for name, module in model.named_modules(remove_duplicate=False):
        if any(True for _ in module.children()) or any(True for _ in (*module.parameters(), *module.buffers())):
            continue
        if not name or isinstance(module, _NONE):
            continue
        found = recognise(module)
        if found is not None and found.name != "linear" and misshapen(method, found):
            yield name, module


def _made(name: str, module: nn.Module, method: Method, make: Callable[[Nonlinearity], Transformed]) -> Transformed:
    try:
        return make(recognise(module) or module).train(module.training)
    except ArgumentError as error:
        raise PlanError(f"`{name}` cannot be shaped by {method.upper()}: {error} Nothing was changed.") from error


def _put(model: nn.Module, modules: dict[str, nn.Module] | dict[str, Transformed]) -> None:
    for name, module in modules.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, module)


def _depth(network: Network) -> int:
    """The most activations on any way: behind a weight, or before one where no weight behind has it."""
    deepest: dict[str, int] = {}
    behind: dict[str, bool] = {}
    for use in network.uses:
        known = [source for source in use.sources if source in deepest]
        entered = use.before.kind == "activation" and not any(behind[source] for source in known)
        so_far = max((deepest[source] for source in known), default=0) + entered
        deepest[use.node] = max(deepest.get(use.node, 0), so_far + (use.after.kind == "activation"))
        behind[use.node] = use.after.kind == "activation"
    return max(1, *deepest.values()) if deepest else 1


def _refuse_output(network: Network) -> None:
    for use in network.uses:
        if use.head == "sigmoid" and use.after.kind == "activation":
            raise PlanError(
                f"the output of `{use.name}` goes through {use.after}, which makes it a probability and is not to be shaped: "
                "take it out of the model (a loss on logits), and put it back for inference."
            )


def _refuse_rest(network: Network, method: Method) -> None:
    """What the graph still has in it is no module that could be replaced."""
    left = dict.fromkeys(
        f"{neighbour} {side} `{use.name}`"
        for use in network.uses
        for side, neighbour in (("before", use.before), ("behind", use.after))
        if neighbour.activation is not None and misshapen(method, neighbour.activation)
    )
    if left:
        raise PlanError(
            f"{', '.join(left)}: no module that is known by its values, but called inside a forward, so it cannot be replaced. "
            f"Write it as a module (self.act = nn.ReLU()), or call initium.gains.{method}_activation(...) there. Nothing was "
            "changed."
        )
