"""What texts share with training text: the longest run of words, exactly, in one pass over any amount of text."""

from collections.abc import Iterable, Sequence


class LongestRuns:
    """For each of a few texts, the longest run of words that it has in common with any one of many others.

    A suffix automaton of the few (Blumer et al. 1985) reads the many, a few dictionary look-ups a word. The texts
    are joined by marks that no word equals, so that no run goes over the end of a text.
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._next: list[dict[object, int]] = [{}]
        self._link, self._length = [-1], [0]
        self._ends: list[list[int]] = []
        last = 0
        for mark, text in enumerate(texts):
            ends = []
            for word in text:
                last = self._extend(last, word)
                ends.append(last)
            last = self._extend(last, mark)
            self._ends.append(ends)
        self._best = [0] * len(self._link)

    def _extend(self, last: int, word: object) -> int:
        new = self._state({}, self._length[last] + 1, 0)
        while last >= 0 and word not in self._next[last]:
            self._next[last][word] = new
            last = self._link[last]
        if last >= 0:
            self._link[new] = self._split(last, word)
        return new

    def _state(self, following: dict[object, int], length: int, link: int) -> int:
        self._next.append(following)
        self._length.append(length)
        self._link.append(link)
        return len(self._link) - 1

    def _split(self, state: int, word: object) -> int:
        """The state of exactly the longest string of `state` and then `word`, cloned off if it has none of its own."""
        target = self._next[state][word]
        if self._length[target] == self._length[state] + 1:
            return target
        clone = self._state(dict(self._next[target]), self._length[state] + 1, self._link[target])
        while state >= 0 and self._next[state].get(word) == target:
            self._next[state][word] = clone
            state = self._link[state]
        self._link[target] = clone
        return clone

    def read(self, words: Iterable[str]) -> None:
        """Take one of the many texts into account."""
        following, link, lengths, best = self._next, self._link, self._length, self._best
        state = length = 0
        for word in words:
            while state and word not in following[state]:
                state = link[state]
                length = lengths[state]
            state = following[state].get(word, 0)
            length = length + 1 if state else 0
            if length > best[state]:
                best[state] = length

    def longest(self) -> list[int]:
        """The longest run in words of each of the few texts, over all that was read."""
        best, order = list(self._best), sorted(range(1, len(self._link)), key=self._length.__getitem__)
        for state in reversed(order):  # whoever matched a string matched its ends
            if best[state]:
                link = self._link[state]
                best[link] = self._length[link]
        for state in order:
            best[state] = max(best[state], best[self._link[state]])
        return [max((best[state] for state in ends), default=0) for ends in self._ends]
