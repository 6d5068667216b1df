"""Names in a narrow column are told apart."""

from hypothesis import given
from hypothesis import strategies as st

from initium.terminal import apart

PARTS = st.sampled_from(["encoder", "layers", "self_attn", "out_proj", "0", "11"])


def test_what_all_names_share_is_taken_off_and_said():
    names = [f"encoder.layers.{place}.attention.{part}.projection" for place in range(12) for part in ("query", "key")]
    short, shared = apart(names, 15)
    assert shared == "encoder.layers.*.projection"
    assert short[:3] == ("0.a.query", "0.attention.key", "1.a.query")
    assert len(set(short)) == len(names)


def test_indices_and_the_last_part_stay_where_nothing_is_shared():
    names = [f"model.layers.{place}.self_attn.{part}_proj" for place in range(32) for part in ("q", "k", "out")]
    experts = [f"model.layers.{place}.moe.experts.{expert}.down_proj" for place in range(3) for expert in range(12)]
    short, shared = apart(["lm_head", *names, *experts], 15)
    assert shared == ""
    assert short[0] == "lm_head"
    assert short[-1] == "…2.11.down_proj"
    assert max(map(len, short)) <= 15
    assert len(set(short)) == len(short)


def test_names_that_fit_are_left_alone():
    assert apart(["net.0", "net.2"], 15) == (("net.0", "net.2"), "")
    assert apart([], 15) == ((), "")


@given(st.lists(st.lists(PARTS, min_size=1, max_size=6).map(".".join), min_size=1, max_size=6), st.integers(8, 40))
def test_the_pattern_gives_back_what_was_taken_off(names, width):
    short, shared = apart(names, width)
    assert len(short) == len(names)
    for name, left in zip(names, short, strict=True):
        first, _, last = (shared or "*").partition("*")
        assert name.startswith(first)
        assert name.endswith(last)
        assert left.split(".")[-1].lstrip("…") == name.removesuffix(last).split(".")[-1]
