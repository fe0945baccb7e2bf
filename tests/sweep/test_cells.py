"""The grid of a sweep, and the names of its cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadpath import sweep
from loadpath.sweep.cells import cell_name, check_cells, key_of_cell, key_of_name


def test_the_last_axis_is_fastest():
    assert sweep.product({"a": (1, 2), "b": ("x", "y")}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


@pytest.mark.parametrize(
    "axes, message",
    [
        ({}, r"^axes must name at least one axis, got none\.$"),
        ({"a": ()}, r"^axes must give 'a' a list of values, got \(\)\.$"),
        ({"a": "xy"}, r"^axes must give 'a' a list of values, got 'xy'\.$"),
        ({"a": (1, 2, 1.0)}, r"^axes must not give 'a' a value twice, got \[1, 2, 1\.0\]\.$"),
    ],
)
def test_product_refuses_in_one_sentence(axes, message):
    with pytest.raises(ValueError, match=message):
        sweep.product(axes)


def test_numbers_of_numpy_become_plain():
    (cell,) = sweep.product({"a": np.array([2]), "b": np.array([0.5])})
    assert cell == {"a": 2, "b": 0.5} and {type(value) for value in cell.values()} == {int, float}


VALUES = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="/\\", min_codepoint=32), max_size=20),
)


@given(st.dictionaries(st.sampled_from(["alpha", "beta", "seed"]), VALUES, min_size=1))
@settings(max_examples=50)
def test_a_file_name_leads_back_to_its_cell(cell):
    try:
        axes = check_cells([cell])
    except ValueError:  # text that holds the name of a setting
        assert any(f",{name}=" in str(value) for name in cell for value in cell.values())
        return
    assert key_of_name(cell_name(cell), axes) == key_of_cell(cell, axes)


def test_a_file_of_another_kind_is_no_cell():
    assert key_of_name("alpha=1,seed=2.nc", ("alpha", "seed")) == (1, 2)
    assert key_of_name("alpha=1,seed=2.nc.damaged", ("alpha", "seed")) is None
    assert key_of_name("alpha=1.nc", ("alpha", "seed")) is None
    assert key_of_name("sweep.yaml", ("alpha", "seed")) is None
