"""Cut models against the original under hooks, whatever holds the layers."""

import pytest
import torch
from redundant_nets import Listed, Residual, built, labelled, residual_net, rows
from torch import nn

import loadpath as lp
from loadpath.diagnosis.surgery import Cut
from loadpath.leaky_resnet.layer_steps import without

X = rows(20)


def without_layers(model, gone, x=X):
    h = x
    for l, block in enumerate(model.blocks):
        h = h if l in gone else block(h)
    return model.head(h)


def test_layers_are_taken_out_of_a_list():
    model = residual_net((1.0,) * 5)
    smaller = lp.surgery.cut(model, Cut(("blocks.1", "blocks.3")), [X])
    assert torch.equal(smaller(X), without_layers(model, (1, 3)))
    assert list(smaller.blocks._modules) == ["0", "1", "2"] and len(model.blocks) == 5
    again = residual_net((1.0,) * 3, seed=9)
    again.load_state_dict(smaller.state_dict())  # the state is that of a net of three blocks
    assert torch.equal(again(X), smaller(X))


class ByName(nn.Module):
    """Blocks as attributes, and one in a ModuleDict."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Residual(6), Residual(6)
        self.named = nn.ModuleDict({"third": Residual(6)})

    def forward(self, x):
        return self.named["third"](self.second(self.first(x)))


def test_a_gap_is_left_where_layers_have_names():
    model = built(ByName)
    smaller = lp.surgery.cut(model, Cut(("second", "named.third")), [X])
    assert torch.equal(smaller(X), model.first(X))
    assert sum(p.numel() for p in smaller.parameters()) == 84
    assert "nothing" in repr(smaller.second)


class Numbered(Listed):
    """Works with its blocks by number."""

    def forward(self, h):
        for l in range(4):
            h = self.blocks[l](h)
        return self.head(h)


def test_a_gap_is_left_where_layers_are_called_by_number():
    model = built(lambda: Numbered([Residual(6) for _ in range(4)]))
    smaller = lp.surgery.cut(model, Cut(("blocks.1", "blocks.2")), [X])
    assert torch.equal(smaller(X), without_layers(model, (1, 2))) and len(smaller.blocks) == 4
    assert sum(p.numel() for p in smaller.blocks.parameters()) == 2 * 84


class Tuples(nn.Module):
    """Puts out a tuple, as layers of transformers did."""

    def __init__(self):
        super().__init__()
        self.inner = Residual(6)

    def forward(self, hidden, scale=1.0, *, mask=None):
        return self.inner(hidden) * scale, hidden.sum()


class OfTuples(nn.Module):
    def __init__(self, numbered):
        super().__init__()
        self.blocks, self.numbered = nn.ModuleList(Tuples() for _ in range(3)), numbered

    def forward(self, h):
        for l in range(3) if self.numbered else range(len(self.blocks)):
            h = self.blocks[l](hidden=h, mask=None)[0]
        return h


@pytest.mark.parametrize("numbered", [False, True])
def test_blocks_that_put_out_tuples_and_are_called_by_keyword(numbered):
    model = built(lambda: OfTuples(numbered))
    smaller = lp.surgery.cut(model, Cut(("blocks.1",)), [X])
    h = model.blocks[2].inner(model.blocks[0].inner(X))
    assert torch.equal(smaller(X), h) and len(smaller.blocks) == (3 if numbered else 2)


class Counting(Listed):
    """Divides by the number of its blocks, which therefore cannot be fewer."""

    def forward(self, h):
        weights = [1.0 + l for l, _ in enumerate(self.blocks)]
        for block, weight in zip(self.blocks, weights, strict=True):
            h = block(h) * weight + 0 * next(block.parameters()).sum()
        return self.head(h)


def test_layers_that_others_depend_on_are_refused():
    model = built(lambda: Counting([Residual(6) for _ in range(3)]))
    with pytest.raises(ValueError, match=r"layers blocks.1 cannot be removed: the model without"):
        lp.surgery.cut(model, Cut(("blocks.1",)), [X])


def test_a_module_that_runs_twice_cannot_go():
    shared = Residual(6)
    model = built(lambda: Listed([shared, Residual(6), shared, Residual(6)]))
    batches = labelled(model, X)
    plan = lp.surgery.plan(model, batches, drop=1, layers="blocks.*")
    assert set(plan.dataset["layer"].values[:2]) == {"blocks.1", "blocks.3"}
    with pytest.raises(ValueError, match="'blocks.0', which cannot go: its module runs more than"):
        lp.surgery.cut(model, Cut(("blocks.0",)), [X])


def test_a_leaky_resnet_loses_steps_of_its_path_or_has_them_merged():
    net = lp.LeakyResNet(4, 2, width=6, depth=5, effective_depth=2.0).double()
    batches = [rows(10, 4)]
    smaller = lp.surgery.cut(net, Cut(("path.2", "path.4")), batches)
    torch.testing.assert_close(smaller(rows(8, 4)), without(net, [1, 3])(rows(8, 4)))
    smaller = lp.surgery.cut(net, Cut(("path.1", "path.4"), "merge"), batches)
    steps = net.layer_steps
    merged = torch.stack([steps[0] + steps[1], steps[2] + steps[3], steps[4]])
    torch.testing.assert_close(smaller.layer_steps, merged)
    torch.testing.assert_close(
        smaller.weights[1], (steps[2] * net.weights[2] + steps[3] * net.weights[3]) / merged[1]
    )
    plan = lp.surgery.plan(net, batches, drop=1, ways=["drop", "merge"])
    assert lp.surgery.cut(net, plan).depth == 4


@pytest.mark.parametrize(
    "what, sentence",
    [
        (Cut(("blocks.7",)), "layers must be modules of the model, and it has no 'blocks.7'."),
        (Cut(("head",)), "layers has none that can be removed: head stays: its input is"),
    ],
)
def test_layers_that_there_are_not_are_refused(what, sentence):
    with pytest.raises(ValueError) as refused:
        lp.surgery.cut(residual_net(), what, [X])
    assert str(refused.value).startswith(sentence)


def test_a_cut_without_batches_is_refused():
    with pytest.raises(ValueError, match="loader must be given with a Cut that no plan made"):
        lp.surgery.cut(residual_net(), Cut(("blocks.1",)))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ((("a", "a"),), "layers must be different names, got"),
        ((("a",), "linear"), "maps must be there for each run of layers"),
        ((("a",), "prune"), "way must be "),
        (((1,),), "layers must be "),
    ],
)
def test_what_is_no_cut_is_refused(arguments, sentence):
    with pytest.raises(ValueError) as refused:
        Cut(*arguments)
    assert str(refused.value).startswith(sentence)
