"""A Diagnosis is a class over its Dataset: it goes where the Dataset does, and has methods."""

import copy
import pickle

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import loadpath as lp
from loadpath.diagnosis import Diagnosis
from loadpath.diagnosis.profile.diagnosed import FIGURES


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return x + self.linear(x).tanh()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(*(Block(6) for _ in range(4)), nn.Linear(6, 3))


@pytest.fixture(scope="module")
def batches():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    means = 2 * torch.randn(3, 6, generator=generator)
    return [(means[labels] + torch.randn(300, 6, generator=generator), labels)]


@pytest.fixture(scope="module")
def diagnosis(model, batches):
    return lp.diagnose(model, batches)


@pytest.fixture(scope="module")
def skipped(model, batches):
    return lp.diagnosis.skip_layers(model, batches)


def test_it_has_what_its_dataset_has(diagnosis):
    ds = diagnosis.dataset
    assert type(ds) is xr.Dataset
    xr.testing.assert_identical(diagnosis["relative_step"], ds["relative_step"])
    xr.testing.assert_identical(diagnosis[["width", "rows"]], ds[["width", "rows"]])
    xr.testing.assert_identical(diagnosis.sel(layer="1"), ds.sel(layer="1"))
    assert diagnosis.attrs is ds.attrs and diagnosis.sizes == ds.sizes
    assert list(diagnosis) == list(ds) and len(diagnosis) == len(ds)
    assert "load" in diagnosis and "no_such_name" not in diagnosis
    assert {"load", "summary", "sel"} <= set(dir(diagnosis))
    with pytest.raises(AttributeError, match="a Diagnosis has no 'no_such_name'"):
        diagnosis.no_such_name  # noqa: B018
    with pytest.raises(KeyError):
        diagnosis["no_such_name"]


def test_the_name_of_a_variable_is_the_variable(diagnosis):
    """`load` is a method of xarray's Dataset: `ds.load` looked like the loads, and was not."""
    assert callable(diagnosis.dataset.load)
    xr.testing.assert_identical(diagnosis.load, diagnosis["load"])
    xr.testing.assert_identical(diagnosis.layer, diagnosis["layer"])


def test_it_says_and_judges_as_the_functions_do(diagnosis, skipped):
    assert diagnosis.summary() == lp.diagnosis.summary(diagnosis.dataset)
    turned = diagnosis.summary(kind="inverse")
    assert turned == lp.diagnosis.summary(diagnosis, kind="inverse") != diagnosis.summary()
    exact = lp.diagnosis.verdict(diagnosis.dataset, skipped, by="turn", seed=1)
    assert diagnosis.verdict(skipped, by="turn", seed=1).sentences == exact.sentences
    assert lp.diagnosis.verdict(diagnosis, skipped, by="turn", seed=1).sentences == exact.sentences


def test_a_table_has_a_row_a_layer(diagnosis):
    table = diagnosis.table()
    assert (
        table.index.tolist() == diagnosis["layer"].values.tolist() and table.index.name == "layer"
    )
    assert table["width"].tolist() == [6] * 5
    for name in ("relative_step", "nc1", "cost_of_identity"):
        np.testing.assert_array_equal(table[name], diagnosis[name])
    np.testing.assert_array_equal(table["load"], diagnosis["load"].sel(kind="fuzziness"))
    other = diagnosis.table(kind="trace_ratio", intervals=True)
    ends = diagnosis.sel(kind="trace_ratio")
    np.testing.assert_array_equal(other["load_low"], ends["load_low"])
    np.testing.assert_array_equal(other["turn_high"], ends["turn_high"])
    assert "load_low" not in table and "concavity" not in table
    with pytest.raises(ValueError, match="kind must be one of fuzziness"):
        diagnosis.table(kind="ratio")
    with pytest.raises(ValueError, match="intervals must be True or False"):
        diagnosis.table(intervals="no")


def test_what_layers_take_and_are_worth_is_a_method(diagnosis, skipped):
    table = diagnosis.layer_table(skipped, tolerated=0.1)
    expected = lp.diagnosis.layer_table(diagnosis.dataset, skipped, tolerated=0.1)
    assert table.equals(expected) and table["parameters"].tolist() == [6 * 6 + 6] * 4
    assert diagnosis.layer_table().index.tolist() == diagnosis["layer"].values.tolist()


OF_CLASSES = [name for name in FIGURES if name != "next_token"]
"""Figures of a model that is no language model."""


def test_the_next_token_has_a_figure_where_it_was_read(model):
    ids = torch.randint(6, (20, 8), generator=torch.Generator().manual_seed(0))
    embedded = nn.Sequential(nn.Embedding(6, 6), *(Block(6) for _ in range(2)))
    ds = lp.diagnose(embedded, [ids], measures=["next_token"], layers=Block, head=nn.Linear(6, 6))
    (ax,) = ds.plot("next_token").axes
    assert ax.get_ylabel() == "cross-entropy of the next token, nats"
    assert len(ds.plot().axes) == 1


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_figure_is_that_of_the_function_of_its_name(diagnosis, name):
    draw = getattr(lp.plots, f"layer_{name}")
    figures = (
        diagnosis.plot(name),
        draw(diagnosis.dataset).get_figure(),
        draw(diagnosis).get_figure(),
    )
    drawn = [[line.get_xydata() for ax in each.axes for line in ax.lines] for each in figures]
    for lines in zip(*drawn, strict=True):
        for line in lines[1:]:
            np.testing.assert_array_equal(np.asarray(line), np.asarray(lines[0]))


def test_the_overview_has_a_figure_for_all_that_was_measured(diagnosis, model, batches):
    axes = diagnosis.plot(kind="inverse").axes
    assert sum(ax.axison for ax in axes) == len(OF_CLASSES)
    assert any("inverse" in text.get_text() for text in axes[0].get_legend().get_texts())
    few = lp.diagnose(model, batches, measures=["steps"])
    assert len(few.plot().axes) in (1, 2)  # the second y axis of steps
    with pytest.raises(ValueError, match="lacks the variables"):
        few.plot("probes")
    with pytest.raises(ValueError, match="name must be one of load_curve, .*, got 'loads'"):
        few.plot("loads")
    with pytest.raises(ValueError, match="must have a number of some layer"):
        lp.plots.figure_diagnosis(few.dataset[["width"]])


def test_it_is_kept_and_read_back(diagnosis, tmp_path):
    path = diagnosis.save(tmp_path / "diagnosis.nc")
    again = Diagnosis(lp.load(path))
    xr.testing.assert_identical(again.dataset, lp.load(path))
    xr.testing.assert_equal(again.dataset, diagnosis.dataset)
    assert again.summary() == diagnosis.summary() and repr(again) == repr(diagnosis)
    with pytest.raises(FileExistsError):
        diagnosis.save(path)
    lp.results.save(diagnosis, path, overwrite=True)
    xr.testing.assert_equal(lp.load(path), diagnosis.dataset)


def test_it_goes_where_its_dataset_goes(diagnosis, skipped, tmp_path):
    """0.1.0 returned the Dataset itself: what took it takes both."""
    assert lp.results.stamp(diagnosis, mine=1).attrs["mine"] == 1
    assert lp.results.with_parameters(diagnosis, mine=1).attrs["seed"] == 0
    points = lp.plots.movement_and_harm(diagnosis, skipped).collections
    assert points[0].get_segments()
    pages = [
        lp.report.write_diagnosis(tmp_path / name, each, title="Mine", skipped=skipped)
        for name, each in (("a.html", diagnosis), ("b.html", diagnosis.dataset))
    ]
    assert pages[0].read_text() == pages[1].read_text()


def test_copies_are_diagnoses(diagnosis):
    for again in (
        copy.copy(diagnosis),
        copy.deepcopy(diagnosis),
        pickle.loads(pickle.dumps(diagnosis)),
    ):
        assert type(again) is Diagnosis
        xr.testing.assert_identical(again.dataset, diagnosis.dataset)


def test_it_shows_itself_by_its_sentences(diagnosis):
    said = "Diagnosis(model: Sequential; layers: 5; samples: 300; measures: separation, collapse,"
    assert repr(diagnosis).startswith(said)
    html = diagnosis._repr_html_()
    assert all(word in html for word in ("Layers", "relative step", "participation ratio"))
    assert diagnosis.summary()[0].replace("'", "&#x27;") in html


@pytest.mark.parametrize("wrong", [3, "diagnosis.nc", None, xr.Dataset({"a": 1})])
def test_what_is_no_diagnosis_is_refused(wrong):
    with pytest.raises(ValueError, match="dataset (must be an xarray.Dataset|lacks)"):
        Diagnosis.__post_init__(with_dataset(wrong))


def with_dataset(value):
    """A Diagnosis before its check, for pytest's hook would refuse other types first."""
    bare = object.__new__(Diagnosis)
    object.__setattr__(bare, "dataset", value)
    return bare
