"""A stream is a value: a seed and a name, and a key that the contract fixes."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Stream

seeds = st.integers(0, (1 << 128) - 1)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def test_the_key_of_the_contract():
    key = Stream(0).child("layers.0.weight").key
    assert key == (0x377C7DA3, 0x522D1712, 0xFF4CF840, 0xD7635F86)


@given(seeds, names, names)
def test_a_child_of_a_child_joins_the_names(seed, first, second):
    assert Stream(seed).child(first).child(second) == Stream(seed, f"{first}/{second}")


@given(seeds, names)
def test_equal_streams_are_equal_values(seed, name):
    stream = Stream(seed).child(name)
    assert {stream: 1}[Stream(seed, name)] == 1
    assert copy.deepcopy(stream).key == stream.key


@given(st.lists(st.tuples(seeds, names), min_size=2, max_size=8, unique=True))
def test_other_seeds_and_names_have_other_keys(pairs):
    assert len({Stream(seed, name).key for seed, name in pairs}) == len(pairs)


def test_a_stream_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Stream(0).seed = 1


@pytest.mark.parametrize("seed", [-1, 1 << 128])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ArgumentError, match=r"\[0, 2\*\*128\)"):
        Stream(seed)


@pytest.mark.parametrize("seed", [True, 1.0, "0", None, torch.Generator()])
def test_what_is_no_integer_is_no_seed(seed):
    with pytest.raises(ArgumentTypeError, match="seed"):
        Stream(seed)


def test_numpy_integers_are_seeds():
    assert Stream(np.uint64(7)) == Stream(7)


def test_an_unnamed_stream_does_not_draw():
    with pytest.raises(ArgumentError, match="child"):
        _ = Stream(0).key


@pytest.mark.parametrize(("name", "error"), [("", ArgumentError), (3, ArgumentTypeError), (b"w", ArgumentTypeError)])
def test_a_name_is_text_and_not_empty(name, error):
    with pytest.raises(error, match="name"):
        Stream(0).child(name)


def test_a_generator_gives_one_key_and_then_another():
    generator = torch.Generator().manual_seed(5)
    first, second = Stream.from_generator(generator), Stream.from_generator(generator)
    assert first != second
    assert first == Stream.from_generator(torch.Generator().manual_seed(5))
    assert first.seed >= 1 << 96


def test_no_generator_is_torchs_default_one():
    torch.manual_seed(5)
    assert Stream.from_generator() == Stream.from_generator(torch.Generator().manual_seed(5))


def test_a_seed_is_no_generator():
    with pytest.raises(ArgumentTypeError, match="manual_seed"):
        Stream.from_generator(5)


def test_a_key_is_drawn_for_real_inside_a_fake_mode():
    expected = Stream.from_generator(torch.Generator().manual_seed(5))
    with FakeTensorMode():
        assert Stream.from_generator(torch.Generator().manual_seed(5)) == expected


def test_a_key_is_no_part_of_a_traced_graph():
    generator = torch.Generator().manual_seed(5)
    graph = make_fx(lambda x: x * (Stream.from_generator(generator).seed % 2 + 1))(torch.ones(2))
    assert not [node for node in graph.graph.nodes if "random" in str(node.target)]


def test_a_name_is_what_utf_8_can_write():
    assert Stream(0).child(np.str_("head")) == Stream(0, "head")
    with pytest.raises(ArgumentError, match="UTF-8"):
        Stream(0, "\ud800")
