"""What each ATen operation does to the data on its way: the one table that every reading of a graph shares."""

from __future__ import annotations

import operator
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch.fx.node import map_arg

if TYPE_CHECKING:
    from collections.abc import Container

    from torch import fx

# Values move or change shape or precision; each element stays what it is, and none is lost.
RESHAPES = frozenset(
    "_to_copy _unsafe_view alias broadcast_to clone contiguous detach expand expand_as flatten lift_fresh "
    "lift_fresh_copy mT movedim moveaxis permute ravel resolve_conj resolve_neg reshape reshape_as squeeze swapaxes "
    "swapdims t to transpose type_as unflatten unsqueeze view view_as numpy_T adjoint".split()
)
CASTS = frozenset({"to", "_to_copy"})
# Of the second argument nothing is used but its shape or its dtype.
LIKE = frozenset({"type_as", "view_as", "reshape_as", "expand_as"})
# Some elements are taken, repeated, joined or set aside.
PARTS = frozenset(
    "_pad_circular as_strided broadcast_tensors cat chunk channel_shuffle col2im concat concatenate constant_pad_nd copy diagonal flip "
    "gather getitem hsplit hstack im2col index index_add index_copy index_put index_select masked_scatter narrow pad "
    "pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave "
    "replication_pad1d replication_pad2d replication_pad3d roll scatter scatter_add scatter_reduce select "
    "select_scatter slice slice_scatter split split_with_sizes stack take take_along_dim tensor_split tile tril triu "
    "unbind unfold vsplit vstack _pack_padded_sequence _pad_packed_sequence pad_sequence masked_select rot90 grid_sampler "
    "grid_sampler_2d sort topk nested_tensor".split()
)
# Elements are moved, dropped or repeated: an index stays an index.
MOVES = RESHAPES | PARTS | {"clamp"}
# The shape of the input is used, its values are not.
FACTORIES = frozenset(
    "empty_like full_like new_empty new_empty_strided new_full new_ones new_zeros ones_like rand_like randint_like "
    "randn_like zeros_like sym_size size bernoulli".split()
)
# Values are counted or compared, and no signal comes through: what is made of them is an index.
COUNTS = frozenset("argmax argmin argsort bincount bucketize count_nonzero histc nonzero searchsorted".split())
# Values are asked for, and the program's way or its sizes may follow from the answer.
QUESTIONS = frozenset(
    "_local_scalar_dense _unique2 allclose equal is_nonzero item masked_select nonzero nonzero_numpy unique_consecutive "
    "unique_dim".split()
)
NOISE = frozenset("alpha_dropout dropout feature_alpha_dropout feature_dropout native_dropout".split())
REDUCTIONS = frozenset(
    "amax amin linalg_vector_norm logsumexp max mean median min nansum norm std std_mean sum var var_mean".split()
)
POOLS = REDUCTIONS | frozenset(
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d cummax cumsum fractional_max_pool2d fractional_max_pool3d "
    "max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices "
    "upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d "
    "upsample_nearest3d upsample_trilinear3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d "
    "_upsample_nearest_exact2d _upsample_nearest_exact3d fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 "
    "fft_rfft2 fft_irfft2 fft_fftn fft_ifftn cdist pdist view_as_real view_as_complex real imag".split()
)
# Elements are placed, laid out or read off a layout, by an operation that only what surrounds a weight is asked about.
PLACES = frozenset(
    "affine_grid_generator fill indices values crow_indices col_indices coalesce to_dense to_sparse to_sparse_csr "
    "sparse_coo_tensor sparse_compressed_tensor sparse_csr_tensor _sparse_coo_tensor_with_dims_and_tensors "
    "_sparse_compressed_tensor_unsafe select_backward slice_backward index_backward diagonal_backward unfold_backward "
    "embedding_dense_backward".split()
)
# Values are multiplied by each other, or by a matrix that is made of values; a distance is such a product.
MIXES = frozenset(
    "cdist _cdist_forward _euclidean_dist pairwise_distance pdist cosine_similarity cumprod prod cross cov corrcoef "
    "cholesky cholesky_solve linalg_cholesky linalg_cholesky_ex linalg_cross linalg_det linalg_slogdet linalg_matrix_exp "
    "linalg_matrix_power linalg_multi_dot linalg_householder_product matrix_exp matrix_power det logdet slogdet".split()
)
# These leave every number at its place in the order of memory.
ORDERED = frozenset(
    "view reshape _unsafe_view flatten unflatten squeeze unsqueeze contiguous clone alias detach _to_copy".split()
)
# What comes out grows with each of its factors.
MULTIPLIES = ("mul", "matmul", "mm", "bmm", "mv", "dot", "einsum", "_sparse_mm")
# Normalisations: the positions of their scale and their shift.
NORMS: dict[str, tuple[int, int | None]] = {
    "batch_norm": (1, 2),
    "native_batch_norm": (1, 2),
    "cudnn_batch_norm": (1, 2),
    "instance_norm": (1, 2),
    "layer_norm": (2, 3),
    "native_layer_norm": (2, 3),
    "group_norm": (2, 3),
    "native_group_norm": (1, 2),
    "rms_norm": (2, None),
    "_fused_rms_norm": (2, None),
}
# Where one is told that it uses the statistics of what it is given; the others always do.
_TOLD = {"batch_norm": 5, "native_batch_norm": 5, "cudnn_batch_norm": 5, "instance_norm": 5}
ATTENTIONS = frozenset(
    "scaled_dot_product_attention _scaled_dot_product_flash_attention _scaled_dot_product_efficient_attention "
    "_scaled_dot_product_flash_attention_for_cpu _native_multi_head_attention".split()
)
SOFTMAXES = frozenset("softmax _softmax log_softmax _log_softmax _safe_softmax".split())
LOSSES = frozenset(
    "cross_entropy_loss nll_loss nll_loss_nd nll_loss2d mse_loss l1_loss smooth_l1_loss huber_loss kl_div "
    "binary_cross_entropy binary_cross_entropy_with_logits ctc_loss cosine_embedding_loss hinge_embedding_loss "
    "margin_ranking_loss multi_margin_loss multilabel_margin_loss poisson_nll_loss soft_margin_loss "
    "triplet_margin_loss".split()
)
CONVOLUTIONS = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution".split()
)
# Matrix products: the positions of their two factors.
PRODUCTS: dict[str, tuple[int, int]] = {
    "matmul": (0, 1),
    "mm": (0, 1),
    "bmm": (0, 1),
    "mv": (0, 1),
    "dot": (0, 1),
    "addmm": (1, 2),
    "addmv": (1, 2),
    "baddbmm": (1, 2),
    "addbmm": (1, 2),
    "_grouped_mm": (0, 1),
    "_sparse_mm": (0, 1),
    "_sparse_addmm": (1, 2),
}
RECURRENT = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
CELLS = {"lstm_cell": 4, "gru_cell": 3, "rnn_tanh_cell": 1, "rnn_relu_cell": 1}
LOOKUPS = {"embedding": 0, "embedding_bag": 0, "_embedding_bag": 0}
OTHER_LINEAR = frozenset({"linear", "inner", "bilinear", "einsum"})
LINEAR = (
    OTHER_LINEAR
    | CONVOLUTIONS
    | frozenset(PRODUCTS)
    | frozenset(RECURRENT)
    | frozenset(CELLS)
    | frozenset(LOOKUPS)
    | {"tensordot"}
)
# In an order, because the reference prints it.
SUMS = ("add", "sub", "rsub", "__iadd__", "sum_to_size")
# Pointwise with one number for every element: the distribution is only shifted and scaled.
AFFINE = RESHAPES | NOISE | frozenset("add sub rsub mul div neg copy masked_fill positive".split())
# Leaky ReLUs whose slopes are learned.
SLOPED = frozenset({"prelu", "_prelu_kernel"})
# Pointwise operations that carry no such tag, in some version of torch.
_POINTWISE_TOO = frozenset(
    "celu elu gelu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish prelu _prelu_kernel relu relu6 rrelu "
    "rrelu_with_noise selu sigmoid silu softplus softshrink hardshrink square tanh threshold where "
    "masked_fill pow clamp float_power abs neg mul div sub add".split()
)


_ALIASES = {
    "absolute": "abs",
    "clip": "clamp",
    "divide": "div",
    "multiply": "mul",
    "negative": "neg",
    "special_expit": "sigmoid",
    "subtract": "sub",
    "true_divide": "div",
}


def op_name(node: fx.Node) -> str:
    """The operation without overload, and without the underscore of its in-place form: ``relu_`` is ``relu``."""
    if node.op != "call_function":
        return node.op
    return _name_of(node.target)


@cache
def _name_of(target: Any) -> str:  # noqa: ANN401 - an overload, or a function
    if target is operator.getitem:
        return "getitem"
    packet: Any = getattr(target, "overloadpacket", target)
    name = str(getattr(packet, "__name__", packet))
    plain = name if name.startswith("__") else name.removesuffix("_") or name
    return _ALIASES.get(plain, plain)


def own_statistics(node: fx.Node) -> bool:
    """True for a normalisation by the statistics of what it is given, and not by those that it keeps."""
    name, place = op_name(node), _TOLD.get(op_name(node), 0)
    return name in NORMS and (name not in _TOLD or (len(node.args) > place and bool(node.args[place])))


def axis_of(node: fx.Node) -> Any:  # noqa: ANN401 - a number, several, or None where the operation has its default
    """What an operation goes over: ``dim``, its second argument."""
    return node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")


def constant_of(node: fx.Node) -> torch.Tensor | None:
    """The tensor that a node of the program's own constants holds; ``None`` for any other node, and without values."""
    value = getattr(node.graph.owning_module, str(node.target), None) if node.op == "get_attr" else None
    real = isinstance(value, torch.Tensor) and not value.is_meta and getattr(value, "fake_mode", None) is None
    return value if real else None


def behind(node: fx.Node, passed: Container[str] | None = None) -> fx.Node:
    """What a node shows: the nearest one behind it that is none of the operations ``passed``, which are views if not given."""
    views = RESHAPES if passed is None else passed
    while op_name(node) in views and node.all_input_nodes:
        node = node.all_input_nodes[0]
    return node


def viewed(node: fx.Node, blank: torch.Tensor) -> Any:  # noqa: ANN401 - a tensor, or several
    """What a view gives of a value without memory; another device or dtype is that value itself."""
    if op_name(node) in CASTS:
        return blank
    target: Any = node.target
    return target(*map_arg(node.args, lambda _: blank), **node.kwargs)


def inputs(node: fx.Node) -> list[fx.Node]:
    """The nodes whose values an operation uses."""
    return node.all_input_nodes[:1] if op_name(node) in LIKE else node.all_input_nodes


def made_of(end: fx.Node, stops: Container[fx.Node]) -> list[fx.Node]:
    """The nodes that a value is made of, in order, itself the last, down to those at which to stop: these are left out."""
    found, ahead = set["fx.Node"](), [end]
    while ahead:
        here = ahead.pop()
        if here not in found and here not in stops:
            found.add(here)
            ahead += here.all_input_nodes
    return sorted(found)


def is_mix(node: fx.Node) -> bool:
    """True where values are multiplied by values: so is what goes back through an operation, which a gradient taken inside shows."""
    name = op_name(node)
    return name in MIXES or (name.endswith("_backward") and name not in PLACES)


def is_noise(node: fx.Node) -> bool:
    """True where random numbers are drawn: an element is masked or shaken, and keeps its meaning."""
    drawn = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return op_name(node) in NOISE or (drawn and op_name(node) not in _POINTWISE_TOO)  # RReLU is drawn, and no noise


def is_pointwise(node: fx.Node) -> bool:
    """True where every output element depends on the input elements at its own place alone (shape changes aside)."""
    name = op_name(node)
    if name in RESHAPES or name in NOISE or name in _POINTWISE_TOO:
        return True
    return name not in PARTS and torch.Tag.pointwise in getattr(node.target, "tags", ())


def _meta(node: fx.Node) -> Any:  # noqa: ANN401 - a tensor's metadata or a fake tensor
    """What tracing noted of a node's (first) tensor; ``None`` where it made none."""
    value = _noted(node)
    while isinstance(value, list | tuple) and not hasattr(value, "dtype"):
        value = value[0] if value else None  # pyright: ignore[reportUnknownVariableType]
    return value


def _noted(node: fx.Node) -> Any:  # noqa: ANN401 - a tensor's metadata or a fake tensor, or several
    return node.meta.get("tensor_meta") or node.meta.get("val")


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a node's (first) tensor; empty where it has none."""
    return tuple(int(size) for size in getattr(_meta(node), "shape", ()))


def gives_several(node: fx.Node) -> bool:
    """True where a node makes several values, of which ``getitem`` takes one."""
    return isinstance(_noted(node), list | tuple)


def is_float(node: fx.Node) -> bool:
    """True where the node's tensor is floating or complex: a value that a signal can travel in."""
    dtype = getattr(_meta(node), "dtype", None)
    return dtype is None or dtype.is_floating_point or dtype.is_complex


def is_truth(node: fx.Node) -> bool:
    """True where the node's tensor holds truth values."""
    return getattr(_meta(node), "dtype", None) == torch.bool
