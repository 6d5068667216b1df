"""The figure of matplotlib: what is marked, and that nothing global is touched."""

import io
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from diagnose.handmade import healthy, perceptron
from initium.errors import ArgumentError
from initium.report import Report
from report.hostile import NAN, ZERO, hostile


def line(axis, label):
    return next(each for each in axis.lines if each.get_label() == label)


@pytest.mark.parametrize("depth", [12, 1000])
def test_a_figure_is_drawn_at_any_depth(depth: int) -> None:
    figure = hostile(depth).plot()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO())
    names = figure.axes[1].get_xticklabels()
    assert 2 <= len(names) <= 30
    boxes = [each.get_window_extent() for each in names]
    # Names that climb at 60 degrees are apart where their anchors are a line of text apart.
    assert min(right.x1 - left.x1 for left, right in pairwise(boxes)) >= names[0].get_fontsize()


def test_what_is_drawn_is_what_was_measured() -> None:
    told = hostile(12)
    signal, gradient = told.plot().axes
    values = np.array([row.unit_std for row in told.signal.rows])
    values[~np.isfinite(values)] = np.nan
    np.testing.assert_allclose(line(signal, "unit std over the batch").get_ydata(), values, rtol=1e-5)
    crosses = [each for each in signal.lines if each.get_marker() == "x"]
    assert [list(each.get_xdata()) for each in crosses] == [[NAN + 1, NAN + 2]]
    rings = [each for each in gradient.lines if each.get_markerfacecolor() == "none"]
    assert [list(each.get_xdata()) for each in rings] == [[ZERO + 1], [ZERO + 1]]


def test_the_first_finding_is_marked_where_it_begins_and_the_title_has_the_verdict() -> None:
    told = hostile(12)
    for axis in told.plot().axes:
        assert [list(each.get_xdata()) for each in axis.lines if each.get_marker() == "v"] == [[4]]
    assert told.plot().axes[0].get_title(loc="left") == "<i>Net</i>: vanishing (1 error, 1 warning, 1 info)"


def test_a_healthy_network_has_no_mark() -> None:
    figure = Report((), healthy(perceptron(3, 64)), "$Net$").plot()
    figure.savefig(io.BytesIO())
    assert not [each for axis in figure.axes for each in axis.lines if each.get_marker() == "v"]
    assert not [each for axis in figure.axes for each in axis.patches]


def test_axes_may_be_given() -> None:
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert hostile(12).plot(axes) is figure
    assert all(axis.lines for axis in axes)
    with pytest.raises(ArgumentError, match="takes 2 axes"):
        hostile(12).plot(axes[:1])


def test_pyplot_is_not_even_loaded() -> None:
    script = (
        "import sys, torch, initium; net = torch.nn.Linear(4, 4); report = initium.diagnose(net, torch.randn(8, 4)); "
        "assert 'matplotlib' not in sys.modules; report.plot(); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_missing_extra_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ArgumentError, match=r"pip install 'initium\[plot\]'"):
        hostile(12).plot()
