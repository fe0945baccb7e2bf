"""Wilson's interval against SciPy's."""

import pytest
from scipy import stats

from loadpath.statistics import wilson


@pytest.mark.parametrize("right, n", [(0, 10), (10, 10), (7, 10), (450, 1000)])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_wilson_is_the_inverted_score_test(right, n, level):
    expected = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    # The same formula in another order: 3e-16 is what 8,928 of them were seen to differ by.
    assert wilson(right, n, level=level) == pytest.approx((expected.low, expected.high), abs=1e-15)


def test_an_end_is_exact_where_all_or_none_are_right():
    assert wilson(0, 10)[0] == 0 and wilson(10, 10)[1] == 1


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: wilson(3, 2), "right must be 0 to 2, got 3"),
        (lambda: wilson(0, 0), "n must be a whole number of at least 1, not 0"),
        (lambda: wilson(0, 1, level=1.0), "level must be between 0 and 1, got 1.0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
