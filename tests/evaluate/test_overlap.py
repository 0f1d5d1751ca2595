from hypothesis import given
from hypothesis import strategies as st

from anadil.evaluate.overlap import LongestRuns

Words = st.lists(st.sampled_from("abc"), max_size=12)


def longest_by_hand(text: list[str], others: list[list[str]]) -> int:
    runs = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
    found = [
        len(run) for run in runs for other in others if any(other[k : k + len(run)] == run for k in range(len(other)))
    ]
    return max(found, default=0)


@given(texts=st.lists(Words, max_size=4), others=st.lists(Words, max_size=4))
def test_it_finds_what_comparing_all_pairs_finds(texts: list[list[str]], others: list[list[str]]) -> None:
    runs = LongestRuns(texts)
    for other in others:
        runs.read(other)
    assert runs.longest() == [longest_by_hand(text, others) for text in texts]


def test_a_run_over_two_training_texts_does_not_count() -> None:
    runs = LongestRuns([list("abcd")])
    runs.read("ab")
    runs.read("cd")
    assert runs.longest() == [2]


def test_asking_twice_and_reading_on() -> None:
    runs = LongestRuns([list("abcd"), list("xbc")])
    runs.read("bc")
    assert runs.longest() == runs.longest() == [2, 2]
    runs.read("abc")
    assert runs.longest() == [3, 2]
