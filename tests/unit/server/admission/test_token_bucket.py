"""The token bucket against a model that counts in fractions and remembers everything that was taken."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from syncline.server.admission.token_bucket import TokenBucket

_MARGIN = 1e-6
"""Of seconds, and of tokens: floats against fractions."""


class BucketMachine(RuleBasedStateMachine):
    """Callers who wait as they are told, and some who ask too early."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Fraction(0)
        self.taken: list[tuple[Fraction, int]] = []

    @initialize(
        rate=st.fractions(min_value=Fraction(1, 60), max_value=1_000, max_denominator=60),
        capacity=st.integers(1, 500),
    )
    def fill(self, rate: Fraction, capacity: int) -> None:
        self.rate, self.capacity, self.level = rate, capacity, Fraction(capacity)
        self.bucket = TokenBucket(float(rate), capacity, 0.0)

    @rule(milliseconds=st.integers(0, 100_000))
    def wait(self, milliseconds: int) -> None:
        self._pass(Fraction(milliseconds, 1_000))

    @rule(tokens=st.integers(1, 700))
    def ask(self, tokens: int) -> None:
        """What the bucket says is what the model says; whoever may, takes."""
        told = self.bucket.wait_for(tokens, float(self.now))
        wanted = max(Fraction(0), min(tokens, self.capacity) - self.level) / self.rate
        assert abs(told - float(wanted)) <= _MARGIN * max(1.0, float(wanted))
        if told == 0.0:
            self._take(tokens)

    @rule(tokens=st.integers(1, 700))
    def wait_as_told_and_take(self, tokens: int) -> None:
        self._pass(Fraction(self.bucket.wait_for(tokens, float(self.now))))
        # Clocks of floats lose the last bit of a sum.
        assert self.bucket.wait_for(tokens, float(self.now)) <= _MARGIN
        self._take(tokens)

    def _pass(self, seconds: Fraction) -> None:
        self.now += seconds
        self.level = min(Fraction(self.capacity), self.level + seconds * self.rate)

    def _take(self, tokens: int) -> None:
        self.bucket.take(tokens, float(self.now))
        self.level -= tokens
        self.taken.append((self.now, tokens))
        self._check_shares()

    def _check_shares(self) -> None:
        """No span of time that ends here has more than its share."""
        total = 0
        for begin, tokens in reversed(self.taken):
            total += min(tokens, self.capacity)  # what is larger was let in when the bucket was full
            share = self.capacity + self.rate * (self.now - begin)
            assert total <= float(share) * (1 + _MARGIN) + _MARGIN


TestBucket = BucketMachine.TestCase
TestBucket.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@given(st.integers(1, 100), st.floats(0, 1e9), st.floats(0, 1e6))
def test_a_clock_that_goes_back_gives_nothing(capacity: int, now: float, back: float) -> None:
    bucket = TokenBucket(1.0, capacity, now)
    bucket.take(capacity, now)
    bucket.take(0, now - back)
    assert bucket.wait_for(1, now) > 0
