import pytest

from foresql.demo.stream.metrics import quantile

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (0.9, 2.0)]
)
def test_quantiles_lie_within_their_bucket(share, expected):
    assert quantile({1.0: 50.0, 2.0: 100.0, INFINITE: 100.0}, share) == pytest.approx(
        expected, abs=0.31
    )


def test_beyond_the_last_bound_it_is_that_bound():
    assert quantile({1.0: 1.0, INFINITE: 100.0}, 0.99) == 1.0


def test_nothing_was_measured():
    assert quantile({}, 0.5) is None
    assert quantile({1.0: 0.0, INFINITE: 0.0}, 0.5) is None
