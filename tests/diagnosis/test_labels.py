"""One rule for labels in `diagnose`, `skip_layers` and `Monitor`: what counts as a class."""

import numpy as np
import pytest
import torch
from recorded_models import seeded
from torch import nn
from torch.nn import functional

import loadpath as lp
from loadpath.diagnosis import Monitor, skip_layers
from loadpath.diagnosis.labels import ClassMemory, read_labels

X = torch.randn(60, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.arange(60) % 3


def net(outputs=3):
    return seeded(lambda: nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, outputs))).eval()


def batches(y, size=20):
    return list(zip(X.split(size), y.split(size), strict=True))


def found(labels, model=None, size=20):
    """What the three functions make of labels, beside words."""
    model, loader = model or net(), batches(labels, size)
    ds = lp.diagnose(model, loader, layers="1", measures=["collapse"])
    skipped = skip_layers(model, loader, layers=("0", "1"))
    history = Monitor(model, loader, layers=("0", "1"), budget=None, samples=60).history()
    return ds, skipped, history


def agree(one, other):
    for mine, theirs in zip(one, other, strict=True):
        assert list(mine.data_vars) == list(theirs.data_vars)
        for name in theirs:
            if theirs[name].dtype.kind == "f" and name != "seconds":
                # The same numbers in the same order.
                np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_one_hot_rows_of_whole_numbers_are_their_classes(dtype):
    """torchmetrics: labels as rows of zeros and a one."""
    agree(found(functional.one_hot(Y, 3).to(dtype)), found(Y))


def test_zeros_and_a_one_for_the_tokens_of_a_sample_are_tokens():
    hot = functional.one_hot(Y, 4)
    assert read_labels(hot, outputs=(60, 4, 2)).kind == "tokens"
    assert read_labels(hot, outputs=(60, 4)).kind == "classes"
    assert read_labels(2 * hot).kind == "tokens"


@pytest.mark.parametrize("size", [60, 20, 7])
def test_minus_one_beside_other_classes_is_no_label(size):
    """torchvision's STL10, sklearn: -1 is the label of what has none."""
    bare = torch.arange(60) % 7 == 1
    minus, hundred = (torch.where(bare, none, Y) for none in (-1, -100))
    one, twin = found(minus, size=size), found(hundred, size=size)
    agree(one, twin)
    said = " ".join(lp.diagnosis.summary(one[0]))
    assert f"{int(bare.sum())} of the samples have no label (-1), and count in no class" in said
    for ds in one:
        assert ds.attrs["labels"] == "labels are class numbers, -1 for none"
    with torch.no_grad():
        loss = functional.cross_entropy(net()(X), torch.where(bare, -100, Y))
    assert float(one[1]["loss"]) == pytest.approx(float(loss), rel=1e-12)  # another order


def test_minus_one_beside_two_classes_and_two_outputs_is_no_label():
    bare = torch.arange(60) % 7 == 1
    minus, hundred = (torch.where(bare, none, Y % 2) for none in (-1, -100))
    agree(found(minus, net(2)), found(hundred, net(2)))


def test_minus_one_beside_zero_and_one_may_be_a_class_and_nothing_is_made_of_it():
    ds = lp.diagnose(net(), batches(Y - 1))
    said = " ".join(lp.diagnosis.summary(ds))
    assert (
        "probes are left out, because labels are -1 beside 0 or 1, which may be a class or" in said
    )
    skipped = skip_layers(net(), batches(Y - 1))
    assert "loss" not in skipped and "which may be a class" in skipped.attrs["loss_kind"]
    history = Monitor(net(), batches(Y - 1), budget=None).history()
    assert history.attrs["n_classes"] == 0 and "which may be a" in history.attrs["labels"]
    with pytest.raises(ValueError, match="'probes', which needs class labels, .* may be a class"):
        lp.diagnose(net(), batches(Y - 1), measures=["probes"])


def test_what_minus_one_means_is_known_from_all_batches_before():
    memory = ClassMemory()
    assert memory.read(torch.tensor([0, 2]), 0, None).values.tolist() == [0, 2]
    assert memory.read(torch.tensor([-1, 1]), 1, None).values.tolist() == [-100, 1]
    assert memory.read(torch.tensor([-1, -1]), 2, None).values.tolist() == [-100, -100]
    memory = ClassMemory()
    assert memory.read(torch.tensor([-1, 1]), 0, None).values.tolist() == [0, 1]
    assert memory.read(torch.tensor([1, 1]), 1, None).values.tolist() == [1, 1]
    with pytest.raises(ValueError, match="labels of batch 2 must be class numbers .* -100 for"):
        memory.read(torch.tensor([2, 1]), 2, None)


@pytest.mark.parametrize("run", [lp.diagnose, skip_layers])
def test_a_class_beside_signs_that_comes_late_is_refused_with_what_to_do(run):
    signs = torch.where(torch.arange(60) < 40, 2 * (Y % 2) - 1, 2)
    with pytest.raises(ValueError, match="labels of batch 2 must be class numbers .* -100 for"):
        run(net(), batches(signs))


def test_one_hot_numbers_that_are_real_are_shares_and_the_words_say_how_to_have_classes():
    ds = lp.diagnose(net(), batches(functional.one_hot(Y, 3).double()))
    assert "as whole numbers they are read as classes" in " ".join(lp.diagnosis.summary(ds))
