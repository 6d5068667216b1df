"""Where a signal's scale goes: what a positive factor at one place of a graph does to every other value of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network import op_name, own_statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import fx

    from initium.network import Network, Use

# What of the first input comes out with its scale; whatever else is given are places, sizes or slopes.
_KEEPS = frozenset(
    "_to_copy _unsafe_view alias clone contiguous detach expand flatten mT movedim permute ravel reshape squeeze t to transpose "
    "unflatten unsqueeze view lift_fresh broadcast_to swapaxes moveaxis "
    "abs neg relu leaky_relu prelu _prelu_kernel rrelu_with_noise "
    "dropout native_dropout feature_dropout "
    "mean sum amax amin max cumsum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d "
    "upsample_trilinear3d pixel_shuffle pixel_unshuffle channel_shuffle im2col unfold "
    "chunk split split_with_sizes tensor_split unbind select slice narrow getitem index index_select gather flip roll repeat "
    "reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d diagonal tril triu".split()
)
# What comes out has the one scale that all that goes in has to have.
_JOINS = frozenset("add sub cat concat concatenate stack maximum minimum hstack vstack".split())
# Padding with zeros; with another number it has no scale.
_PADS = frozenset({"constant_pad_nd", "pad"})


class Scales:
    """Classes of values that share one scale; the class ``None`` has a scale that nothing may change.

    Attributes:
        before: By use, the class of what it reads.
        after: By use, the class of its output.
    """

    def __init__(self) -> None:
        self._parent: dict[fx.Node, fx.Node | None] = {}
        self.before: dict[str, fx.Node | None] = {}
        self.after: dict[str, fx.Node | None] = {}

    def carries(self, node: fx.Node) -> bool:
        """True for a value that is made of data."""
        return node in self._parent

    def begin(self, node: fx.Node, *, free: bool) -> None:
        """A value of a class of its own, or of the one that nothing may change."""
        self._parent[node] = node if free else None

    def follow(self, node: fx.Node, other: fx.Node) -> None:
        """A value of another's class."""
        self._parent[node] = other

    def of(self, node: fx.Node) -> fx.Node | None:
        """The class of a value: the value that stands for it."""
        seen: list[fx.Node] = []
        here: fx.Node | None = node
        while here is not None and self._parent[here] is not here:
            seen.append(here)
            here = self._parent[here]
        for each in seen:
            self._parent[each] = here
        return here

    def join(self, nodes: list[fx.Node]) -> None:
        """Makes one class of several."""
        roots = [self.of(node) for node in nodes]
        stands = None if None in roots else roots[0]
        for root in roots:
            if root is not None and root is not stands:
                self._parent[root] = stands

    def pin(self, nodes: list[fx.Node]) -> None:
        """Nothing may change the scale of these."""
        for node in nodes:
            root = self.of(node)
            if root is not None:
                self._parent[root] = None


def scales(network: Network, free: Callable[[Use], bool], still: Callable[[Use], bool]) -> Scales:
    """Reads a traced graph once.

    Args:
        network: The traced network.
        free: True for a use whose weight and bias can be scaled, so that its output has a scale of its own.
        still: True for one that cannot, and adds nothing: its output has the scale of its input.
    """
    found, uses, reads = Scales(), dict[str, list["Use"]](), dict[str, "fx.Node | None"]()
    for use in network.uses:
        uses.setdefault(use.node, []).append(use)
    traced = network.trace
    nodes: list[fx.Node] = list(traced.graph.graph.nodes) if traced else []
    for node in traced.entries if traced else ():
        found.begin(node, free=False)
    for node in nodes:
        data = [parent for parent in node.all_input_nodes if found.carries(parent)]
        if node.name in uses:
            reads[node.name] = data[0] if len(data) == 1 else None
            _use(found, node, data, uses[node.name], free=free, still=still)
        elif data:
            _operation(found, node, data)
    for node in nodes:
        if node.name in uses:
            read = reads[node.name]
            found.before[node.name] = None if read is None else found.of(read)
            found.after[node.name] = found.of(node)
    return found


def _use(
    found: Scales,
    node: fx.Node,
    data: list[fx.Node],
    uses: list[Use],
    *,
    free: Callable[[Use], bool],
    still: Callable[[Use], bool],
) -> None:
    """A weight's operation: a class of its own where the weight can be scaled."""
    alone = len(uses) == 1 and len(data) == 1
    if alone and free(uses[0]):
        found.begin(node, free=True)
    elif alone and still(uses[0]):
        found.follow(node, data[0])
    else:
        found.pin(data)
        found.begin(node, free=False)


def _operation(found: Scales, node: fx.Node, data: list[fx.Node]) -> None:
    name = op_name(node)
    if _keeps(node, name, data):
        found.follow(node, data[0])
    elif name in _JOINS and set(data) == set(node.all_input_nodes) and not _adds_number(node, name):
        found.join(data)
        found.follow(node, data[0])
    elif data == [node.args[0]] and own_statistics(node):
        found.begin(node, free=False)
    else:
        found.pin(data)
        found.begin(node, free=False)


def _keeps(node: fx.Node, name: str, data: list[fx.Node]) -> bool:
    if len(data) != 1 or not node.args:
        return False
    times = [value for value in node.args[:2] if value is data[0]]
    if name in {"mul", "div"} and len(times) > 1:  # by itself
        return False
    first = node.args[0] is data[0]
    if name in _PADS:
        given = node.args[2:] if name == "constant_pad_nd" else node.args[3:]
        return first and (not given or given[0] in {0, None})
    return name == "mul" or (first and (name in _KEEPS or name == "div"))


def _adds_number(node: fx.Node, name: str) -> bool:
    return name in {"add", "sub"} and any(isinstance(value, int | float) and value for value in node.args[:2])
