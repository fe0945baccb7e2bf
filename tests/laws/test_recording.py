"""Rows of any model for the laws: which are kept, with which answers, and where they stand."""

import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.laws import record

torch.manual_seed(0)
NET = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
X, Y = torch.randn(30, 4), torch.arange(30) % 3


def test_the_same_samples_are_kept_in_every_layer_with_their_answers():
    loader = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    path = record(NET, loader, kept=12, with_input=True)
    assert path.names == ("input", "0", "1", "2", "3") and path.count == 12
    rows = [X.double().tolist().index(row.tolist()) for row in path.rows[0]]
    assert rows == path.samples.tolist()
    assert path.answers.tolist() == Y[rows].tolist()
    with torch.no_grad():
        # float32 of other batch sizes.
        assert torch.allclose(path.rows[1], NET[0](X[rows]).double(), atol=1e-6)


def test_other_batches_keep_the_same_samples():
    one = record(NET, [(X, Y)], kept=12)
    two = record(NET, [(X[:7], Y[:7]), (X[7:], Y[7:])], kept=12)
    assert one.samples.tolist() == two.samples.tolist()


def test_real_targets_and_no_labels():
    assert record(NET, [(X, torch.randn(30, 2))]).answer_kind == "targets"
    path = record(NET, [X])
    assert path.answer_kind == "none" and path.answers is None


def test_samples_without_a_label_are_left_out():
    y = torch.where(torch.arange(30) < 6, -100, Y)
    path = record(NET, [(X, y)])
    assert path.count == 24 and min(path.samples.tolist()) == 6


class Tokens(nn.Module):
    """Layers that work on every token by itself."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_rows_of_tokens_have_the_answers_of_their_places():
    x = torch.randn(3, 6, 4)
    y = 10 * torch.arange(3)[:, None] + torch.arange(6)
    reduction = lp.record.Reduction(tokens="positions", every=2)
    path = record(Tokens(), [(x, y)], layers="layers.*", reduction=reduction)
    assert path.answer_kind == "tokens" and path.count == 9
    assert sorted(path.answers.tolist()) == [0, 2, 4, 10, 12, 14, 20, 22, 24]
    assert (path.answers // 10).tolist() == path.samples.tolist()


def test_layers_of_a_leaky_resnet_stand_where_its_steps_end():
    steps = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    net = lp.LeakyResNet(
        4, 2, width=3, depth=3, effective_depth=1.0, layer_steps=steps, activation="tanh"
    )
    path = record(net, [(X, torch.randn(30, 2))])
    # Sums of three float64 numbers.
    assert path.p.tolist() == pytest.approx([0, 0.2, 0.7, 1.0], abs=1e-12)
    assert path.activation == "tanh" and path.names[0] == "path.0"


def test_layers_of_other_samples_are_left_out_and_named():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.rest = (
                nn.Conv1d(2, 2, 3),
                nn.ModuleList(nn.Linear(2, 2) for _ in range(3)),
            )

        def forward(self, x):
            x = self.first(x).mean(2)
            for layer in self.rest:
                x = layer(x)
            return x

    reduction = lp.record.Reduction(maps="positions", every=2)
    path = record(Halves(), [(torch.randn(12, 2, 9), Y[:12])], layers=["first", "rest.*"],
                  reduction=reduction)  # fmt: skip
    assert path.names == ("rest.0", "rest.1", "rest.2")
    assert path.left_out == {"first": "its rows are of other samples"}


@pytest.mark.parametrize(
    "options, words",
    [
        ({"kept": 3}, "kept must be a whole number of at least 4"),
        ({"seed": -1}, "seed must be"),
        ({"with_input": 1}, "with_input must be"),
        ({"layers": ["0", "1"]}, "layers must be at least 3 with rows of the same samples, got 2"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        record(NET, [(X, Y)], **options)
