"""The laws of a net as one result: table, sentences, file, and one law again."""

import measured_laws
import numpy as np
import pytest

import loadpath as lp
from loadpath.laws import DEFINITIONS, Laws


@pytest.fixture(scope="module")
def found():
    return measured_laws.equal()


def test_every_law_has_a_row_and_the_sentences_are_those_of_the_laws(found):
    table = found.table()
    assert list(table.index) == list(found) == [each.name for each in DEFINITIONS]
    assert len(found) == len(DEFINITIONS)
    for name, law in found.items():
        assert table.loc[name, "standing"] == law.standing
        for null in law.nulls:
            assert table.loc[name, f"p {null.name}"] == null.p_value
    measured = [law.verdict for _, law in found.items() if law.standing != "not measured"]
    assert sorted(found.summary()) == sorted(measured)


def test_a_file_gives_the_same_again(found, tmp_path):
    found.save(tmp_path / "laws.nc")
    again = Laws(lp.load(tmp_path / "laws.nc"))
    for name, law in found.items():
        other = again[name]
        assert other.verdict == law.verdict and other.definition is law.definition
        for a, b in zip(law.nulls, other.nulls, strict=True):
            np.testing.assert_array_equal(a.values, b.values)


def test_curves_over_steps_stand_where_steps_lead(found):
    curve = found.dataset["curve"].sel(law="equal spacing").values
    assert np.isnan(curve[0]) and np.isfinite(curve[1:]).all()
    curve = found.dataset["curve"].sel(law="equal separation").values
    np.testing.assert_allclose(np.diff(curve), -1.0, rtol=1e-7)  # 2 log(scale) of float64 traces


def test_it_shows_itself_in_a_line_and_a_table(found):
    assert repr(found).startswith("Laws(model: not known; laws: 15; holds: ")
    assert "equal separation" in found._repr_html_()


def test_what_is_no_record_of_laws_is_refused(found):
    with pytest.raises(ValueError, match="dataset lacks the variables"):
        Laws(found.dataset.drop_vars("statistic"))
    with pytest.raises(ValueError, match="dataset must have the labels"):
        Laws(found.dataset.assign_coords(law=[f"law {i}" for i in range(len(found))]))
    with pytest.raises(ValueError, match="name must be one of"):
        found["gravity"]


def test_plot_draws_the_figure(found):
    assert len(found.plot().axes) == 2
