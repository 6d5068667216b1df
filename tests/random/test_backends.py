"""The backends: the contract's bits from each of them, chosen by device and size, whatever surrounds them."""

import copy
import os
import pickle
import sys
import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils._python_dispatch import TorchDispatchMode

from fresh import python
from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Once, Stream, bernoulli_, bits, normal_, orthogonal_, trunc_normal_, uniform_
from initium.random import _choice as choice
from initium.random._backend import STORED
from initium.random._laws import Bernoulli, Normal, Uniform
from initium.random._numba import Numba
from initium.random._reference import Reference
from initium.random._threads import LEAST, MOST, share
from initium.random._truncated import law
from initium.random._verified import Verified
from initium.random._write import write
from torch_threads import torch_threads

REFERENCE, NUMBA = Reference(), Numba()
STREAM = Stream(0).child("layers.0.weight")
INF = float("inf")
LAWS = {
    "uniform": Uniform(0.25, 1.5),
    "normal": Normal(0.25, 2.0),
    "overflowing": Normal(3e38, 1e38),
    "tiny": Normal(0.0, 1.5e-38),
    "truncated": law(0.0, 1.0, -2.0, 2.0),
    "off centre": law(0.5, 0.02, 0.47, 0.6),
    "one-sided": law(0.0, 1.0, -INF, 1.0),
    "narrow": law(0.0, 1.0, 0.25, 0.5),
    "far": law(0.0, 1.0, -INF, -6.0),
    "bernoulli": Bernoulli(1 << 30),
    "always": Bernoulli(1 << 32),
}
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.float8_e4m3fn]
# Across a block of the kernels, a chunk of the reference, the least piece of a thread, and the most.
COUNTS = [0, 1, 2, 3, 5, 1023, 1024, 1025, LEAST + 1, 2 * LEAST, (1 << 17) + 3]
STARTS = [0, 1, 2, 3, (1 << 34) - 5, (1 << 63) - (1 << 18)]


def same(found, wanted):
    return torch.equal(found.view(torch.uint8), wanted.view(torch.uint8))


def filled(backend, count, start, a_law, dtype):
    out = torch.empty(count, dtype=dtype)
    if dtype in STORED:
        backend.fill(out, STREAM.key, start, a_law)
        return out
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(choice.VARIABLE, type(backend).__name__.lower())
        return write(out, STREAM, start, a_law)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("a_law", LAWS.values(), ids=LAWS)
def test_compiled_loops_give_the_bits_of_the_reference(a_law, dtype):
    for count in COUNTS:
        for start in STARTS:
            assert same(filled(NUMBA, count, start, a_law, dtype), filled(REFERENCE, count, start, a_law, dtype))


@given(start=st.integers(0, 1 << 62), count=st.integers(0, 5000), seed=st.integers(0, (1 << 128) - 1))
def test_they_do_so_for_any_key_and_place(start, count, seed):
    key = Stream(seed, "w").key
    for a_law in LAWS.values():
        found, wanted = torch.empty(2, count)
        NUMBA.fill(found, key, start, a_law)
        REFERENCE.fill(wanted, key, start, a_law)
        assert same(found, wanted)


@pytest.mark.parametrize("bits_of_half", [range(0x7C00)[::7], range(0x7BF0, 0x7C00), range(0x410)])
def test_a_half_is_rounded_to_even_wherever_it_lies(bits_of_half):
    """Values at, next to, and half-way between two neighbours in float16, subnormal ones too."""
    halves = torch.tensor(list(bits_of_half), dtype=torch.int16).view(torch.float16).float()
    gaps = torch.tensor([*bits_of_half], dtype=torch.int16).add(1).view(torch.float16).float() - halves
    for value in torch.cat([halves, halves + gaps / 2, torch.nextafter(halves + gaps / 2, torch.tensor(0.0))]).tolist():
        if value == INF:
            continue
        found = filled(NUMBA, 1, 0, Uniform(value, 0.0), torch.float16)
        assert float(found) == float(torch.tensor(value).half())


@pytest.mark.parametrize("backend", [REFERENCE, NUMBA], ids=["reference", "numba"])
def test_random123s_known_answer(backend):
    out = torch.empty(4, dtype=torch.int64)
    backend.words(out, (0, 0, 0, 0), 0)
    assert [f"{word:08x}" for word in out.tolist()] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


def test_the_words_of_both_are_the_same():
    for count in COUNTS:
        for start in STARTS:
            found, wanted = torch.empty(2, count, dtype=torch.int64)
            NUMBA.words(found, STREAM.key, start)
            REFERENCE.words(wanted, STREAM.key, start)
            assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", ["reference", "numba"])
def test_the_variable_decides(monkeypatch, name):
    seen = []
    for backend in (Reference, Numba):
        plain = backend.fill
        monkeypatch.setattr(backend, "fill", lambda *a, _f=plain, _n=backend: (seen.append(_n.__name__), _f(*a))[1])
    monkeypatch.setenv(choice.VARIABLE, name)
    normal_(torch.empty(10), STREAM)
    normal_(torch.empty(10), STREAM)
    assert seen[-1] == name.capitalize()


def test_a_backend_of_no_name_and_one_for_another_device_are_refused(monkeypatch):
    out = torch.full((3,), 7.0)
    monkeypatch.setenv(choice.VARIABLE, "fast")
    with pytest.raises(ArgumentError, match="reference, numba, triton"):
        normal_(out, STREAM)
    monkeypatch.setenv(choice.VARIABLE, "triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ArgumentError, match="does not fill tensors on cpu"):
        normal_(out, STREAM)
    assert (out == 7).all()


@pytest.mark.parametrize("name", ["reference", "numba"])
def test_a_tensor_whose_memory_was_freed_is_refused(monkeypatch, name):
    monkeypatch.setenv(choice.VARIABLE, name)
    out = torch.empty(10)
    out.untyped_storage().resize_(0)
    with pytest.raises(ArgumentError, match="no memory any more"):
        normal_(out, STREAM)


@pytest.mark.parametrize("name", ["reference", "numba"])
def test_a_view_into_freed_memory_is_refused(monkeypatch, name):
    monkeypatch.setenv(choice.VARIABLE, name)
    whole = torch.empty(4000)
    part = whole[100:3000]
    whole.untyped_storage().resize_(0)
    with pytest.raises(ArgumentError, match="no memory any more"):
        normal_(part, STREAM)


@pytest.mark.parametrize("name", ["reference", "numba"])
def test_a_narrow_parameter_is_filled_whatever_the_default_device(monkeypatch, name):
    monkeypatch.setenv(choice.VARIABLE, name)
    out = torch.nn.Parameter(torch.zeros(2000, dtype=torch.float8_e4m3fn))
    with torch.device("meta"):
        normal_(out, STREAM)
    assert same(out.detach(), normal_(torch.empty(2000), STREAM).to(torch.float8_e4m3fn))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_write_and_change_nothing(threads):
    with torch_threads(threads):
        found = filled(NUMBA, 3 * MOST + 5, 3, LAWS["normal"], torch.bfloat16)
    for at in range(0, len(found), LEAST):
        part = found[at : at + LEAST]
        assert same(part, filled(NUMBA, len(part), 3 + at, LAWS["normal"], torch.bfloat16))


def test_an_error_in_another_thread_is_raised_here():
    def work(_at, _count):
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError
        time.sleep(0.05)

    with torch_threads(2), pytest.raises(ZeroDivisionError):
        share(work, 8 * MOST)


def test_autograd_learns_of_the_change():
    out = torch.ones(1 << 20, requires_grad=True)
    square = out * out
    with torch.no_grad():
        normal_(out, STREAM)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        square.sum().backward()


def test_a_tensor_that_is_two_has_both_of_them_filled():
    first, second = torch.zeros(1 << 20), torch.zeros(1 << 20)
    uniform_(TwoTensor(first, second), STREAM)
    expected = uniform_(torch.empty(1 << 20), STREAM)
    assert torch.equal(first, expected)
    assert torch.equal(second, expected)


def test_a_mode_that_watches_operations_sees_them():
    seen = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Watching():
        uniform_(torch.empty(1 << 20), STREAM)
    assert torch.ops.aten.copy_.default in seen


def test_a_backend_with_other_bits_is_not_believed():
    class Rounded(Reference):
        def fill(self, out, key, start, law):
            super().fill(out, key, start, law)
            out[-1] += 1e-6

    out, doubted = torch.empty(100), Verified(Rounded(), REFERENCE)
    with pytest.warns(RuntimeWarning, match="other bits"):
        doubted.fill(out, STREAM.key, 0, LAWS["normal"])
    doubted.fill(out, STREAM.key, 0, LAWS["normal"])
    assert same(out, filled(REFERENCE, 100, 0, LAWS["normal"], torch.float32))


def test_a_backend_that_fails_is_replaced():
    class Broken(Reference):
        def words(self, *_):
            raise OSError("no compiler")

    doubted = Verified(Broken(), REFERENCE)
    out = torch.empty(4, dtype=torch.int64)
    with pytest.warns(RuntimeWarning, match="OSError: no compiler"):
        doubted.words(out, (0, 0, 0, 0), 0)
    assert out[0] == 0x6627E8D5


LOADED = "print('numba' in sys.modules)"


def test_numba_comes_with_the_first_large_fill_and_not_before():
    code = f"""
    import sys, torch, initium
    from initium.random import Stream, normal_
    stream = Stream(0, "w")
    {LOADED}
    normal_(torch.empty(1000), stream)
    {LOADED}
    normal_(torch.empty(1 << 20), stream)
    {LOADED}
    """
    assert python(code).split() == ["False", "False", "True"]


def test_numba_comes_when_small_fills_add_up():
    code = f"""
    import sys, torch
    from initium.random import Stream, normal_
    out = torch.empty(1000)
    for _ in range(1000):
        normal_(out, Stream(0, "w"))
    {LOADED}
    """
    assert python(code) == "True"


FIRST = """
    import sys, warnings, torch
    {before}
    from initium.random import Stream, normal_
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            out = normal_(torch.empty(1 << 20, dtype=torch.float64), Stream(0, "layers.0.weight"))
    print(len(caught), *[str(each.message).split(" ")[0] for each in caught], out[0].item(), out.sum().item())
"""


def test_without_numba_the_same_values_come_with_one_warning():
    with_it = python(FIRST.format(before=""))
    without = python(FIRST.format(before="sys.modules['numba'] = None"))
    assert with_it.split()[0] == "0"
    assert without.split()[:2] == ["1", "numba"]
    assert without.split()[2:] == with_it.split()[1:]
    assert python(FIRST.format(before=""), NUMBA_DISABLE_JIT="1").split()[:2] == ["1", "numba"]


def test_kernels_are_kept_between_processes_and_a_bad_cache_costs_only_time(tmp_path):
    plain, kept = FIRST.format(before=""), {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first = python(plain, **kept)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.nb?")}
    assert files
    assert python(plain, **kept) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.nb?")} == files
    for path in files:
        path.write_bytes(path.read_bytes()[:50])
    assert python(plain, **kept) == first
    (tmp_path / "file").write_text("")
    assert python(plain, NUMBA_CACHE_DIR=str(tmp_path / "file")) == first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_fills_too():
    code = """
    import os, torch
    from initium.random import Stream, normal_
    torch.set_num_threads(2)
    stream = Stream(0, "w")
    expected = normal_(torch.empty(1 << 20), stream)
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(normal_(torch.empty(1 << 20), stream), expected) else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python(code) == "0"


def test_a_fill_at_the_very_end_of_python_is_served():
    code = """
    import atexit, torch
    from initium.random import Stream, normal_
    torch.set_num_threads(2)
    expected = normal_(torch.empty(1 << 20), Stream(0, "w"))
    atexit.register(lambda: print(torch.equal(normal_(torch.empty(1 << 20), Stream(0, "w")), expected)))
    """
    assert python(code) == "True"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_no_temporary_grows_with_the_tensor(backend):
    """The peak of a fill of 64 MB stays within a few chunks of the reference: 2^17 int64 words, a dozen times."""
    code = """
    import torch
    from initium.random import Stream, bernoulli_, normal_, sparse_, trunc_normal_, uniform_

    def peak():
        return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

    stream = Stream(0, "w")
    for n in (1 << 18, 1 << 24):
        outs = [torch.zeros(n, dtype=t) for t in (torch.float32, torch.bfloat16, torch.float8_e5m2, torch.complex64)]
        outs += [torch.zeros(n // 1024, 1024).t(), torch.zeros(n, 2)[:, 0]]
        mask = torch.zeros(n, dtype=torch.bool)
        open("/proc/self/clear_refs", "w").write("5")
        before = peak()
        for out in outs:
            for fill in (normal_, uniform_, trunc_normal_):
                fill(out, stream)
        bernoulli_(mask, stream)
        sparse_(outs[-2], stream, 0.5)
    print(peak() - before)
    """
    assert int(python(code, INITIUM_BACKEND=backend)) < 12 * 8 * (1 << 17)


def test_torchs_generator_gives_the_key_of_one_call():
    words = torch.empty(4, dtype=torch.int64).random_(1 << 32, generator=torch.Generator().manual_seed(5)).tolist()
    once = Once(torch.Generator().manual_seed(5))
    assert once.key == once.key == tuple(words)
    assert once.child("mask").seed == sum(word << 32 * place for place, word in enumerate(words))
    for fill in (normal_, uniform_, trunc_normal_, bernoulli_, orthogonal_):
        assert torch.equal(*(fill(torch.empty(4, 4), Once(torch.Generator().manual_seed(5))) for _ in range(2)))


def test_two_draws_to_come_are_two_and_none_can_be_copied():
    generator = torch.Generator().manual_seed(5)
    first, second = Once(generator), Once(generator)
    assert first != second
    assert len({first, second, first}) == 2
    assert first.key != second.key
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ArgumentTypeError, match="from_generator"):
            copied(first)


def test_bits_come_from_the_chosen_backend_too(monkeypatch):
    expected = bits(STREAM, 3000, start=5)
    monkeypatch.setenv(choice.VARIABLE, "numba")
    assert torch.equal(bits(STREAM, 3000, start=5), expected)
