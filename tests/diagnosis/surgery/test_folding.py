"""Linear maps folded into the weights beside them: the same answers with less to run."""

import pytest
import torch
from redundant_nets import Listed, Residual, built, residual_net, rows
from torch import nn

import loadpath as lp
from loadpath.diagnosis.surgery import Cut, LinearMap
from loadpath.diagnosis.surgery.running_costs import running_costs
from loadpath.record import prepare
from tests.diagnosis.surgery.test_surgery import batches, llama

X = rows(20)
EXACT = dict(rtol=1e-11, atol=1e-11)


def a_map(*run, width=6, axis=-1, near=1.0):
    """A map that is not the identity, unless `near` is small."""
    weight = torch.eye(width, dtype=torch.float64) + near * rows(width, width, 5) / width**0.5
    return LinearMap(run, weight, near * rows(1, width, 6)[0], axis)


def cut_by(model, x, *runs, **options):
    """The model with a map in the place of each run."""
    maps = tuple(a_map(*run, **options) for run in runs)
    names = tuple(name for run in runs for name in run)
    return lp.surgery.cut(model, Cut(names, "linear", maps), [x])


def parameters(model):
    return sum(p.numel() for p in model.parameters())


class Headed(nn.Module):
    """A stem, blocks, and a head, one after another."""

    def __init__(self, stem, blocks, head):
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head

    def forward(self, x):
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.head(h)


def perceptron(stem=None, head=None):
    return built(
        lambda: Headed(
            stem or nn.Linear(6, 6), [Residual(6) for _ in range(4)], head or nn.Linear(6, 3)
        )
    )


IMAGES = rows(4, 2 * 25).reshape(4, 2, 5, 5)


class Mean(nn.Module):
    """Classes from the mean over positions."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(6, 3)

    def forward(self, h):
        return self.map(h.mean((2, 3)))


class Spread(nn.Module):
    """A residual block of maps."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(6, 6, 1)

    def forward(self, h):
        return h + torch.tanh(self.map(h))


def convolutional(stem, head):
    return built(lambda: Headed(stem, [Spread() for _ in range(3)], head))


IDS = torch.randint(9, (5, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "make, x, run, axis, into",
    [
        (perceptron, X, ("blocks.0", "blocks.1"), -1, "stem"),
        (perceptron, X, ("blocks.3",), -1, "head"),
        (lambda: perceptron(nn.Linear(6, 6, bias=False)), X, ("blocks.0",), -1, "stem"),
        (lambda: perceptron(nn.Embedding(9, 6)), IDS, ("blocks.0",), -1, "stem"),
        # A convolution before the map mixes its channels whatever its kernel, stride and padding.
        (
            lambda: convolutional(nn.Conv2d(2, 6, 3, 2, padding=1, bias=False), Mean()),
            IMAGES,
            ("blocks.0",),
            1,
            "stem",
        ),
        # The mean over positions lets a map of channels through.
        (lambda: convolutional(nn.Conv2d(2, 6, 1), Mean()), IMAGES, ("blocks.2",), 1, "head.map"),
        (
            lambda: convolutional(nn.Conv2d(2, 6, 1), nn.Conv2d(6, 3, 3)),
            IMAGES,
            ("blocks.1", "blocks.2"),
            1,
            "head",
        ),
    ],
)
def test_the_folded_model_answers_the_same_with_fewer_parameters(
    make, x, run, axis, into, tmp_path
):
    model = make()
    smaller = cut_by(model, x, run, axis=axis)
    held = {name: p.clone() for name, p in smaller.state_dict().items()}
    folded = lp.surgery.fold(smaller, loader=[x])
    assert folded.into == {run[0]: into} and folded.left == {}
    # Other samples of another size: nothing was fitted to the batch by which folds are tried.
    other = x.roll(1, 1)[:3] if x.ndim > 1 else x
    with torch.no_grad():
        torch.testing.assert_close(folded.model(other), smaller(other), **EXACT)
        assert (folded.model(other) - model.eval()(other)).abs().max() > 0.01
    gained = 6 if run == ("blocks.0",) and getattr(model.stem, "bias", 0) is None else 0
    assert parameters(smaller) - parameters(folded.model) == 42 - gained
    assert len(folded.model.blocks) == len(model.blocks) - len(run)
    assert all(torch.equal(p, held[name]) for name, p in smaller.state_dict().items())
    lp.surgery.export(model, folded.model, tmp_path)
    loaded = lp.surgery.load(model, tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(other), folded.model.eval()(other))


def test_maps_at_both_ends_are_folded_one_after_the_other(tmp_path):
    model = perceptron()
    smaller = cut_by(model, X, ("blocks.0",), ("blocks.2", "blocks.3"))
    folded = lp.surgery.fold(smaller, loader=[X])
    assert folded.into == {"blocks.0": "stem", "blocks.2": "head"}
    assert list(folded.model.blocks._modules) == ["0"] and parameters(folded.model) == 42 + 84 + 21
    torch.testing.assert_close(folded.model(X), smaller(X), **EXACT)
    lp.surgery.export(model, folded.model, tmp_path)
    assert torch.equal(lp.surgery.load(model, tmp_path)(X), folded.model(X))


def test_a_folded_model_takes_fewer_milliseconds():
    width = 512
    model = built(lambda: Headed(nn.Linear(6, width), [Residual(width)], nn.Linear(width, 3)))
    smaller = cut_by(model, X, ("blocks.0",), width=width)
    folded = lp.surgery.fold(smaller, loader=[X]).model
    batch = prepare(X, 0, device=torch.device("cpu"))
    before, after = running_costs([smaller, folded], batch, 512)
    # The map is 512 x 512 of all that runs, and the rest 6 x 512 and 512 x 3.
    assert after.fastest < before.fastest / 2
    assert before.parameters - after.parameters == width * (width + 1)
    assert after.model_bytes < before.model_bytes and after.peak_bytes <= before.peak_bytes


class Twice(Headed):
    """Runs its stem again behind the blocks."""

    def forward(self, x):
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.head(self.stem(h))


class Tied(Headed):
    """Reads tokens off with the weights of its embedding."""

    def __init__(self):
        super().__init__(nn.Embedding(9, 6), [Residual(6) for _ in range(2)], nn.LayerNorm(6))
        self.out = nn.Linear(6, 9, bias=False)
        self.out.weight = self.stem.weight

    def forward(self, x):
        return self.out(super().forward(x))


@pytest.mark.parametrize(
    "make, x, run, reasons",
    [
        (
            perceptron,
            X,
            "blocks.1",
            [
                "'blocks.0.outer', which runs before it, does not stand",
                "'blocks.2.inner', which runs behind it, does not",
            ],
        ),
        (
            lambda: perceptron(head=nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 3))),
            X,
            "blocks.3",
            ["'head.0', which runs behind it, is a LayerNorm, into which no linear map goes"],
        ),
        (
            lambda: perceptron(head=nn.Sequential(nn.ReLU(), nn.Linear(6, 3))),
            X,
            "blocks.3",
            ["'head.1', which runs behind it, does not stand directly beside it"],
        ),
        # Zero padding has no bias: the border would not see that of the map.
        (
            lambda: convolutional(nn.Conv2d(2, 6, 1), nn.Conv2d(6, 3, 3, padding=1)),
            IMAGES,
            "blocks.2",
            ["'head', which runs behind it, does not stand directly beside it"],
        ),
        (
            lambda: convolutional(nn.Conv2d(2, 6, 1, groups=2), Mean()),
            IMAGES,
            "blocks.0",
            ["'stem', which runs before it, is a convolution in groups"],
        ),
        (
            lambda: built(Tied),
            IDS,
            "blocks.0",
            ["'stem', which runs before it, shares its weights with another module"],
        ),
    ],
)
@pytest.mark.parametrize("near", [1.0, 1e-13])
def test_where_a_fold_would_not_be_exact_the_map_stays(make, x, run, reasons, near):
    # Near the identity, a fold that is wrong would change the answers by less than rounding.
    smaller = cut_by(make(), x, (run,), near=near, axis=1 if x.ndim == 4 else -1)
    folded = lp.surgery.fold(smaller, loader=[x])
    assert folded.into == {} and set(folded.left) == {run}
    for reason in reasons:
        assert reason in folded.left[run]
    with torch.no_grad():
        assert torch.equal(folded.model(x), smaller(x))


def test_a_module_that_runs_twice_takes_up_no_map():
    model = built(lambda: Twice(nn.Linear(6, 6), [Residual(6)], nn.Linear(6, 3)))
    smaller = cut_by(model, X, ("blocks.0",))
    folded = lp.surgery.fold(smaller, loader=[X])
    assert folded.left == {"blocks.0": "no module with weights runs beside it"}


class ByName(nn.Module):
    """Blocks that stand in no list."""

    def __init__(self):
        super().__init__()
        self.stem, self.first, self.second = nn.Linear(6, 6), Residual(6), Residual(6)

    def forward(self, x):
        return self.second(self.first(self.stem(x)))


def test_what_stands_in_no_list_leaves_an_empty_gap(tmp_path):
    model = built(ByName)
    folded = lp.surgery.fold(cut_by(model, X, ("first",)), loader=[X])
    assert folded.into == {"first": "stem"} and parameters(folded.model.first) == 0
    lp.surgery.export(model, folded.model, tmp_path)
    assert torch.equal(lp.surgery.load(model, tmp_path)(X), folded.model(X))


def test_the_first_layers_of_a_language_model_go_into_its_embedding(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = llama()
    ids = batches()[0]["input_ids"]
    run = ("model.layers.0", "model.layers.1")
    width = model.config.hidden_size
    names = Cut(run, "linear", (a_map(*run, width=width, near=0.3),))
    smaller = lp.surgery.cut(model, names, batches())
    folded = lp.surgery.fold(smaller, loader=batches())
    assert folded.into == {run[0]: "model.embed_tokens"}
    with torch.no_grad():
        apart = folded.model(ids).logits - smaller(ids).logits
        assert apart.norm() < 1e-4 * smaller(ids).logits.norm()  # float32
    found = lp.surgery.export(model, folded.model, tmp_path)
    assert "huggingface" in found.files
    assert found.left_out["prune-layers.txt"].startswith("the linear map in the place of its lay")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "huggingface").eval()
    assert loaded.config.num_hidden_layers == 2
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, folded.model(ids).logits)
    found = lp.surgery.export(model, smaller, tmp_path / "unfolded")
    assert found.files == ("model.safetensors",)


def test_sentences_say_what_became_of_each_map():
    folded = lp.surgery.fold(cut_by(perceptron(), X, ("blocks.0",), ("blocks.2",)), loader=[X])
    first, second = folded.sentences()
    assert first.startswith("The linear map in the place of blocks.0 was folded into 'stem'")
    assert second.startswith("The linear map in the place of blocks.2 stays: 'blocks.1.outer'")
    dropped = lp.surgery.cut(residual_net(), Cut(("blocks.1",)), [X])
    assert lp.surgery.fold(dropped, loader=[X]).sentences() == [
        "The smaller model has no linear maps to fold."
    ]


def test_what_cannot_be_folded_is_refused():
    with pytest.raises(ValueError, match="smaller must be a model that loadpath.surgery.cut made"):
        lp.surgery.fold(built(lambda: Listed([Residual(6)])), loader=[X])
    with pytest.raises(ValueError, match="plan or loader must be given: a plan, or a list of one"):
        lp.surgery.fold(cut_by(perceptron(), X, ("blocks.0",)))
    with pytest.raises(ValueError, match="plan must be a Plan"):
        lp.surgery.fold(cut_by(perceptron(), X, ("blocks.0",)), "plan")
