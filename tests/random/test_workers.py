"""Parts of the work are shared among threads, and torch's own number of threads comes back."""

import threading

import pytest
import torch

from initium.random._workers import workers
from torch_threads import torch_threads


@pytest.fixture(params=[1, 2])
def threads(request):
    with torch_threads(request.param) as number:
        yield number


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_results_come_in_the_order_of_the_parts(threads, parts):
    with workers() as each:
        assert each(lambda part: part**2, range(parts)) == [part**2 for part in range(parts)]
    assert torch.get_num_threads() == threads


def test_nothing_is_split_by_torch_in_any_of_the_threads(threads):
    meeting = threading.Barrier(threads, timeout=10)

    def seen(_part):
        # All have to be here at once, so each part has a thread of its own.
        meeting.wait()
        return threading.get_ident(), torch.get_num_threads()

    with workers() as each:
        found = each(seen, range(threads))
    assert len({ident for ident, _ in found}) == threads
    assert {number for _, number in found} == {1}
    assert torch.get_num_threads() == threads


def test_an_error_in_a_part_reaches_the_caller_and_changes_nothing(threads):
    def fail(part):
        raise ZeroDivisionError(part)

    with pytest.raises(ZeroDivisionError), workers() as each:
        each(fail, range(4))
    assert torch.get_num_threads() == threads


def test_two_callers_wait_for_one_another(threads):
    found = []

    def call():
        with workers() as each:
            found.extend(each(lambda _part: torch.get_num_threads(), range(2)))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [1] * 8
    assert torch.get_num_threads() == threads
