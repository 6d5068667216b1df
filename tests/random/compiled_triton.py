"""What Triton compiles for a GPU rounds every operation by itself; a machine without one can compile too.

``test_triton.py`` runs this file in a process of its own, because it puts a driver of its own into Triton.
"""

import math
import re

import pytest
import torch

from initium.random import Stream
from initium.random import _triton as accelerated
from initium.random._laws import Bernoulli, Normal, Uniform
from initium.random._truncated import law as cut

KEY = Stream(0).child("layers.0.weight").key
LAWS = {
    "uniform": Uniform(0.25, 0.75),
    "normal": Normal(0.0, 1.0),
    "truncated": cut(0.0, 1.0, -2.0, 2.0),
    "by share": cut(0.0, 1.0, 0.25, 0.375),
    "by log": cut(0.0, 1.0, 5.0, 8.0),
    "bernoulli": Bernoulli(1 << 31),
}
# What may be done with a float: rounded once, or not at all. Flushing cannot reach the one division's numbers.
LAWFUL = re.compile(
    r"""(add|sub|mul)(\.rn)?\.f32 | div\.rn(\.ftz)?\.f32 | min\.f32 | setp\.\w+\.f32 | selp\.f32
        | cvt\.rn\.f32\.[su]32 | cvt\.rn\.f16(x2)?\.f32 | cvt\.f64\.f32 | (ld\.param|mov)\.f32""",
    re.VERBOSE,
)


@pytest.fixture
def made(monkeypatch):
    """Every kernel that a fill would have launched on an H100, compiled and not run."""
    import triton  # noqa: PLC0415  there is none where this file is only looked at
    from triton.backends.compiler import GPUTarget  # noqa: PLC0415
    from triton.backends.driver import DriverBase  # noqa: PLC0415

    class Desk(DriverBase):
        def __init__(self):
            """Without a launcher, there being nothing to launch on."""

        is_active = staticmethod(lambda: True)
        get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
        get_current_device = get_current_stream = staticmethod(lambda *_: 0)
        get_active_torch_device = get_benchmarker = map_python_to_cpp_type = staticmethod(lambda *_: None)

    class Launch:
        def __getitem__(self, grid):
            return lambda *numbers, **constants: found.append(fill.warmup(*numbers, grid=grid, **constants))

    found, fill = [], accelerated._kernels().fill
    triton.runtime.driver.set_active(Desk())
    monkeypatch.setattr(accelerated._kernels(), "fill", Launch())
    # The tensors of a test are a CPU's.
    monkeypatch.setattr(accelerated, "INTERPRETED", accelerated.BLOCK)
    return found


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, torch.float32) for name in LAWS),
        *(("normal", dtype) for dtype in (torch.bfloat16, torch.float16, torch.float64)),
        ("bernoulli", torch.bool),
    ],
    ids=str,
)
def test_nothing_is_fused_and_nothing_approximated(made, name, dtype):
    accelerated.Triton().fill(torch.empty(4096, dtype=dtype), KEY, 0, LAWS[name])
    ptx = made[0].asm["ptx"]
    floats = {each for each in re.findall(r"^\s+(?:@!?%p\d+ )?(\w[\w.]+)", ptx, flags=re.MULTILINE) if ".f" in each}
    assert floats or name == "bernoulli"
    assert not {each for each in floats if not LAWFUL.fullmatch(each)}
    # One division an element; a thread has eight elements.
    assert len(re.findall(r"\bdiv\.", ptx)) == (8 if name in {"normal", "truncated"} else 0)


def test_a_row_is_one_store_and_no_threads_exchange(made):
    accelerated.Triton().fill(torch.empty(4096), KEY, 0, LAWS["normal"])
    ptx = made[0].asm["ptx"]
    assert len(re.findall(r"st\.global\.v4\.b32", ptx)) == 2
    assert "st.shared" not in ptx


def test_no_law_seed_start_or_size_is_compiled_anew(made):
    out = torch.empty(5000)
    for law in (Normal(0.0, 1.0), Normal(1.0, 16.0), Normal(0.0, math.inf)):
        for key in (KEY, (0, 1, 16, 1 << 31), ((1 << 32) - 1,) * 4):
            for start in (0, 4, 1 << 34, 1 << 62):
                for count in (1, 16, 5000):
                    accelerated.Triton().fill(out[:count], key, start, law)
    assert len({id(each) for each in made}) == 1
    made.clear()
    for numbers in ((0.0, 1.0, 5.0, 8.0), (0.0, 1.0, 3.0, math.inf), (1.0, 2.0, -math.inf, -9.0)):
        accelerated.Triton().fill(out, KEY, 0, cut(*numbers))
    assert len({id(each) for each in made}) == 1
