"""Where samples lie in a value: what is said of an axis is what counting its elements says."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from initium.network._lies import changes_along


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 12), st.integers(2, 6), st.data())
def test_samples_change_along_an_axis_as_counting_says(shape, inner, samples, data) -> None:
    """Of every value that holds whole batches."""
    shape = [*shape, inner * samples]
    cut = data.draw(st.sampled_from([each for each in range(1, inner * samples + 1) if inner * samples % each == 0]))
    shape[-1:] = [inner * samples // cut, cut]
    axis = data.draw(st.integers(0, len(shape) - 1))
    of = torch.arange(math.prod(shape)).div(inner, rounding_mode="floor").remainder(samples).view(shape)
    assert changes_along(tuple(shape), axis, inner, samples) == bool((of != of.narrow(axis, 0, 1)).any())
