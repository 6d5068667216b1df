"""Selectors: which parameters a rule is for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from initium.errors import UnknownNameError
from initium.gains import Activation
from initium.network import ROLES

if TYPE_CHECKING:
    from initium.network import Facts, Neighbour
    from initium.schemes._rule import Selector


def role(*roles: str) -> Selector:
    """Parameters of these roles.

    Args:
        *roles: Any of ``weight``, ``recurrent``, ``bias``, ``scale``, ``shift``, ``embedding``, ``other``.

    Returns:
        A selector.

    Raises:
        UnknownNameError: A role that does not exist.

    Example:
        >>> role("weight", "recurrent").__name__
        'role(weight, recurrent)'
    """
    for each in roles:
        if each not in ROLES:
            raise UnknownNameError(f"{each!r} is no role of a parameter; known: {', '.join(ROLES)}.")
    return _titled(lambda facts: facts.role in roles, f"role({', '.join(roles)})")


def layout(*layouts: str) -> Selector:
    """Parameters stored this way: ``out_in``, ``in_out``, ``conv``, ``lookup``, ``added``, ``gates``, ``batched`` ...

    Args:
        *layouts: The layouts, as in :class:`~initium.network.Facts`.

    Returns:
        A selector.

    Example:
        >>> layout("gates").__name__
        'layout(gates)'
    """
    return _titled(lambda facts: facts.layout in layouts, f"layout({', '.join(layouts)})")


def followed_by(*what: str) -> Selector:
    """Weights whose output goes into one of these: an activation by name, or a kind of neighbour.

    Args:
        *what: Names of activations (``relu``) and kinds (``norm``, ``output``, ``activation``).

    Returns:
        A selector.

    Example:
        >>> followed_by("relu", "leaky_relu").__name__
        'followed_by(relu, leaky_relu)'
    """
    names = frozenset(what)
    return _titled(
        lambda facts: facts.after.kind in names or activation_name(facts.after) in names,
        f"followed_by({', '.join(what)})",
    )


def owned_by(*types: type) -> Selector:
    """Parameters that a module of one of these types holds itself, subclasses included.

    Args:
        *types: Types of modules.

    Returns:
        A selector.

    Example:
        >>> import torch
        >>> owned_by(torch.nn.Linear).__name__
        'owned_by(Linear)'
    """
    return _titled(
        lambda facts: issubclass(facts.owner, types), f"owned_by({', '.join(each.__name__ for each in types)})"
    )


def named(pattern: str) -> Selector:
    """Parameters that have a name of this pattern; any name of a tied parameter counts.

    Args:
        pattern: A qualified name, or a glob: ``*`` any run (dots too), ``?`` one character, ``[0-9]`` one of a set.

    Returns:
        A selector.

    Example:
        >>> named("*.bias").__name__
        '*.bias'
    """
    return _titled(lambda facts: any(name == pattern or fnmatchcase(name, pattern) for name in facts.names), pattern)


def frozen(facts: Facts) -> bool:
    """Parameters whose ``requires_grad`` is off.

    Args:
        facts: Of one parameter; the function itself is the selector.

    Returns:
        Whether it is frozen.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> from initium.planning import plan
        >>> net = torch.nn.Linear(3, 4).requires_grad_(False)
        >>> [row.law for row in plan(read(net), overrides={frozen: "keep"})]
        ['keep', 'keep']
    """
    return facts.frozen


def ends_branch(facts: Facts) -> bool:
    """Weights whose output is added to a residual stream, possibly through dropout, scales, gates and norms.

    Args:
        facts: Of one parameter; the function itself is the selector.

    Returns:
        Whether it is the last of a residual branch.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> ends_branch(read(torch.nn.Linear(3, 4)).facts("weight"))
        False
    """
    return facts.residual is not None and facts.residual.place == "last"


def in_branch(facts: Facts) -> bool:
    """Weights of residual branches, the last ones too.

    Args:
        facts: Of one parameter; the function itself is the selector.

    Returns:
        Whether it is in a branch.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> in_branch(read(torch.nn.Linear(3, 4)).facts("weight"))
        False
    """
    return facts.residual is not None and facts.residual.in_branch


def activation_name(neighbour: Neighbour) -> str:
    """The name of an activation; empty for anything else."""
    return neighbour.activation.name if isinstance(neighbour.activation, Activation) else ""


def _titled(selector: Selector, title: str) -> Selector:
    """A selector that can say what it selects, for messages."""
    selector.__name__ = title  # pyright: ignore[reportFunctionMemberAccess]

    return selector


def multiplies(facts: Facts) -> bool:
    """True for what multiplies data or a state."""
    return facts.role in {"weight", "recurrent"}
