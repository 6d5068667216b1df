"""What autograd saved of a forward pass and read in a backward one, joined in the graph to where it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import op_name

if TYPE_CHECKING:
    from torch import fx


def join_saved(graph: fx.Graph) -> None:
    """Lets a backward pass that is in the graph read the outputs that autograd had saved, and no detached copies of them.

    An operation whose derivative is made of its output (tanh, sigmoid, exp, softmax, an inverse) saves that output detached,
    at once, and detaches it again whenever it is asked for: below autograd the graph shows both, and not that what is
    handed out stands in the output's place. With ``create_graph=True`` it has a gradient, which would be lost. A program's
    own ``.detach()`` is one of an alias (``Calls``), or is read by what it is for.

    Args:
        graph: What was traced below autograd; it is changed.
    """
    for node in list(graph.nodes):
        if not (_detaches(node) and node.users and all(map(_detaches, node.users)) and _at_once(node)):
            continue
        for read in list(node.users):
            read.replace_all_uses_with(node.all_input_nodes[0])


def _detaches(node: fx.Node) -> bool:
    return node.op == "call_function" and op_name(node) == "detach"


def _at_once(node: fx.Node) -> bool:
    """Whether nothing but its other results, and what is saved of those, stands between an operation and this copy."""
    made = _maker(node.all_input_nodes[0])
    here = node.prev
    while here is not made:
        part = here.all_input_nodes[0] if _detaches(here) else here
        if (part is here and op_name(here) != "getitem") or _maker(part) is not made:
            return False
        here = here.prev
    return made.op == "call_function" and op_name(made) != "alias"


def _maker(node: fx.Node) -> fx.Node:
    """The operation of which a value is the result, or one of several."""
    return node.all_input_nodes[0] if op_name(node) == "getitem" else node
