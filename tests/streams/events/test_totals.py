"""What is counted of latencies."""

import numpy as np
import pytest

from foresql.streams.events.totals import BOUNDS, Totals


@pytest.mark.parametrize(("seconds", "bound"), [(9.0, 10), (15.0, 20), (25.0, 30), (40.0, 60)])
def test_latencies_around_half_a_minute_are_told_apart(seconds, bound):
    totals = Totals()
    totals.latencies[np.searchsorted(BOUNDS, seconds)] += 1
    assert totals.quantile(0.5) == bound
