"""What the modules alone tell: owners, ties, parametrisations, and, with no batch, guesses at everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]
from torch.nn.utils import parametrize

from initium.errors import InitiumError
from initium.gains import describe
from initium.network._axes import fans_along, output_axes
from initium.network._facts import MAGNITUDES, WEIGHT_NORM, Neighbour

if TYPE_CHECKING:
    from initium.network._facts import Role

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, *([nn.RMSNorm] if hasattr(nn, "RMSNorm") else []))
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1, "LSTMCell": 4, "GRUCell": 3, "RNNCell": 1}


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a parameter."""

    name: str
    names: tuple[str, ...]
    parameter: nn.Parameter
    module: nn.Module
    attribute: str
    computed_by: str


def held(model: nn.Module) -> list[Held]:
    """Every parameter once, in the order of ``named_parameters``, with all its names and its owner."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    modules = dict(model.named_modules(remove_duplicate=False))
    found: list[Held] = []
    for name, parameter in model.named_parameters():
        owner, _, attribute = name.rpartition(".")
        computed = _computed_by(modules, owner, attribute)
        found.append(Held(name, tuple(names[id(parameter)]), parameter, modules[owner], attribute, computed))
    return found


def _computed_by(modules: dict[str, nn.Module], owner: str, attribute: str) -> str:
    """The parametrisation that turns a parameter into the weight that is used; empty for none."""
    head, mark, tail = owner.rpartition("parametrizations.")
    module = modules[head.removesuffix(".")] if mark else modules[owner]
    if mark and parametrize.is_parametrized(module):
        steps: Any = module.parametrizations
        return " and ".join(_title(step) for step in steps[tail.partition(".")[0]])
    hooks: dict[int, Any] = vars(module)["_forward_pre_hooks"]  # the old parametrisations live there
    for hook in hooks.values():
        weight = str(getattr(hook, "name", None) or getattr(hook, "_tensor_name", ""))
        if weight and attribute in {f"{weight}_g", f"{weight}_v", f"{weight}_orig", f"{weight}_bar"}:
            return _title(hook)
    return ""


def _title(step: object) -> str:
    name = type(step).__name__.lstrip("_")
    return {"WeightNorm": WEIGHT_NORM, "SpectralNorm": "spectral_norm", "Orthogonal": "orthogonal"}.get(name, name)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a parameter's module and shape suggest."""

    role: Role
    layout: str = ""
    fan_in: float | None = None
    fan_out: float | None = None
    parts: int = 1
    axis: int = 0


def guess(one: Held) -> Guess:
    """The role and the fans that the owner's type implies; by shape where the type is unknown."""
    module, shape, name = one.module, tuple(one.parameter.shape), one.attribute
    if isinstance(module, _NORMS):
        return Guess("scale" if name == "weight" else "shift")
    if one.computed_by == WEIGHT_NORM and name.endswith(tuple(MAGNITUDES.values())):
        return Guess("other")  # the magnitudes, shaped like a matrix
    if len(shape) < 2 or isinstance(module, nn.PReLU):  # noqa: PLR2004 - vectors have no fan
        return Guess("bias" if "bias" in name else "other")
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return Guess("embedding", "lookup", 1, shape[-1])
    if name.startswith(("weight_ih", "weight_hh", "weight_hr")):
        gates = 1 if name.startswith("weight_hr") else _GATES.get(type(module).__name__, 1)
        role: Role = "recurrent" if name.startswith("weight_hh") else "weight"
        return Guess(role, "gates", shape[1], shape[0] / gates, gates)
    known = type(module).__module__.startswith("torch.nn.modules") or one.computed_by
    return _matrix(module, name, shape) if known else _bare(one, shape)


def _matrix(module: nn.Module, name: str, shape: tuple[int, ...]) -> Guess:
    if isinstance(module, _ConvNd):
        taps, steps, groups = math.prod(shape[2:]), math.prod(module.stride), module.groups
        inner, outer = shape[1] * taps, shape[0] // groups * taps
        if isinstance(module, _ConvTransposeNd):
            return Guess("weight", "conv_transpose", outer / steps, inner, groups, 0 if groups > 1 else 1)
        return Guess("weight", "conv", inner, outer / steps, groups)
    if isinstance(module, nn.MultiheadAttention) and name == "in_proj_weight":
        return Guess("weight", "out_in", shape[1], shape[0] / 3, parts=3)
    if isinstance(module, nn.Bilinear):
        return Guess("weight", "out_in", shape[1] * shape[2], shape[0])
    return Guess("weight", "out_in", *fans_along(shape, 0))


def _bare(one: Held, shape: tuple[int, ...]) -> Guess:
    """A module of somebody's own: a table is written (1, places, features) or named so, a weight is named so.

    Where the bias beside it has one value for each column, and not for each row, the weight is (in, out).
    """
    name = one.attribute
    if shape[0] == 1 or any(word in name for word in ("pos", "token", "embed", "queries")):
        return Guess("embedding", "added")
    word = next((word for word in ("weight", "kernel", "proj") if word in name), None)
    if word is None:
        return Guess("other")
    bias = getattr(one.module, name.replace(word, "bias"), None)
    turned = len(shape) == 2 and isinstance(bias, nn.Parameter) and output_axes(shape, bias.numel()) == (1,)  # noqa: PLR2004
    return Guess("weight", "in_out" if turned else "out_in", *fans_along(shape, int(turned)))


def neighbours_by_order(model: nn.Module) -> dict[int, tuple[Neighbour, Neighbour, bool]]:
    """For every leaf module: what stands before and after it in the order of registration; all of it a guess."""
    leaves = [module for module in model.modules() if not list(module.children())]
    kinds = [_leaf_kind(module) for module in leaves]
    found: dict[int, tuple[Neighbour, Neighbour, bool]] = {}
    for index, module in enumerate(leaves):
        behind, ahead = _seen(kinds[index - 1 :: -1] if index else []), _seen(kinds[index + 1 :])
        before = next((kind for kind in behind if kind.kind != "norm"), Neighbour("input", "input"))
        after = next((kind for kind in ahead if kind.kind != "norm"), Neighbour("output", "output"))
        found[id(module)] = (before, after, bool(ahead) and ahead[0].kind == "norm")
    return found


def _seen(kinds: list[Neighbour | None]) -> list[Neighbour]:
    """What is met along the way, up to the first thing that is no normalisation."""
    met: list[Neighbour] = []
    for kind in kinds:
        if kind is not None:
            met.append(kind)
            if kind.kind != "norm":
                break
    return met


def _leaf_kind(module: nn.Module) -> Neighbour | None:
    """What a leaf module is on the way; ``None`` for one that is seen through (dropout, pooling, flattening)."""
    if isinstance(module, _NORMS):
        return Neighbour("norm", "norm")
    if isinstance(module, nn.Identity | nn.Flatten | _DropoutNd):
        return None
    if type(module).__module__ == "torch.nn.modules.activation":
        try:
            law = describe(module)
        except InitiumError:
            return None
        return Neighbour("activation", str(law), law)
    return Neighbour("linear", "linear") if any(p.ndim > 1 for p in module.parameters(recurse=False)) else None
