"""Convolutions in the place of layers that read their neighbours, which no map of one place is."""

import pytest
import torch
from redundant_nets import built
from torch import nn

import loadpath as lp
from loadpath.diagnosis.surgery.cuts import LinearMap
from loadpath.diagnosis.surgery.search import Calling, subject_of
from loadpath.diagnosis.surgery.searching import PASSES
from loadpath.diagnosis.surgery.ways import LinearMaps
from loadpath.diagnosis.surgery.windows import Window
from tests.diagnosis.surgery.test_surgery import batches as texts
from tests.diagnosis.surgery.test_surgery import bert, llama

WIDTH = 4


class Reads(nn.Module):
    """h + the tokens before each, and those behind it, through matrices."""

    def __init__(self, *shifts):
        super().__init__()
        self.shifts = shifts
        self.maps = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in shifts)

    def forward(self, h):
        out = h
        for shift, map in zip(self.shifts, self.maps, strict=True):
            moved = torch.zeros_like(h)
            if shift:
                moved[:, max(shift, 0) : h.shape[1] + min(shift, 0)] = h[
                    :, max(-shift, 0) : h.shape[1] - max(shift, 0)
                ]
            else:
                moved = h
            out = out + map(moved)
        return out


class Bends(nn.Module):
    """h + 2 sin(9 W h), which is far from linear."""

    def __init__(self, axis=-1):
        super().__init__()
        self.map, self.axis = nn.Linear(WIDTH, WIDTH), axis

    def forward(self, h):
        bent = 2 * torch.sin(9 * self.map(h.movedim(self.axis, -1)))
        return h + bent.movedim(-1, self.axis)


class Blocks(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.blocks, self.head = nn.ModuleList(blocks), nn.Linear(WIDTH, 3)

    def forward(self, h):
        for block in self.blocks:
            h = block(h)
        return self.head(h if h.ndim == 3 else h.mean((2, 3)))


def sequences(count=60, length=9):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, length, WIDTH, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(
    "shifts, window", [((0, 1, 3), Window((1,), 3, 0)), ((-1, 1), Window((1,), 1, 1))]
)
def test_layers_that_a_convolution_replaces_are_replaced_by_it(shifts, window, tmp_path):
    model = built(lambda: Blocks(Bends(), Bends(), Reads(*shifts), Bends()))
    x = sequences()
    search = list(x.split(10))
    plan = lp.surgery.plan(model, search, drop=1, ways=["linear", "convolution"], layers="blocks.*")
    assert plan.cut.layers == ("blocks.2",) and plan.cut.way == "convolution"
    assert str(plan.cut) == "put 1 convolution in place of blocks.2"
    assert plan.passes <= PASSES * plan.n_layers
    (map,) = plan.cut.maps
    # The penalty draws the map to the identity by about its size.
    assert map.window == window and map.explained > 1 - 1e-9
    smaller = lp.surgery.cut(model, plan)
    torch.testing.assert_close(smaller(x), model(x), rtol=1e-4, atol=1e-4)
    other = sequences(7, 14)  # of another length
    torch.testing.assert_close(smaller(other), model(other), rtol=1e-4, atol=1e-4)
    lp.surgery.export(model, smaller, tmp_path / "out")
    assert torch.equal(lp.surgery.load(model, tmp_path / "out")(x), smaller(x))
    folded = lp.surgery.fold(smaller, plan)
    said = "The convolution in the place of blocks.2 stays: only maps of one place are folded."
    assert folded.sentences() == [said]
    assert torch.equal(folded.model(x), smaller(x))
    line = lp.surgery.plan(model, search, drop=1, ways="linear", layers="blocks.*")
    assert line.loss_change.value > 100 * plan.loss_change.value


def test_a_run_reads_both_sides_where_one_of_its_layers_does():
    model = built(lambda: Blocks(Bends(), Reads(1), Reads(-1), Bends()))
    subject = subject_of(model, list(sequences().split(10)), Calling("blocks.*"))
    maps = LinearMaps(subject, [0, 2], [1], "convolution")
    assert maps.window((0, 1)) == Window((1,), 3, 0)
    assert maps.window((1, 2)) == maps.window((2, 3)) == Window((1,), 1, 1)


def test_what_a_convolution_makes_of_a_token_does_not_depend_on_those_behind():
    model = built(lambda: Blocks(Bends(), Reads(1, 2), Bends(), Reads(0, 1)))
    x = sequences()
    plan = lp.surgery.plan(model, list(x.split(10)), drop=2, ways="convolution", layers="blocks.*")
    smaller = lp.surgery.cut(model, plan)
    other = x.clone()
    other[:, 5:] += 1
    assert torch.equal(smaller(x)[:, :5], smaller(other)[:, :5])


def test_blocks_of_images_are_replaced_by_convolutions_of_images():
    class Conv(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)

        def forward(self, h):
            return h + self.map(h)

    class Nonlinear(Conv):
        def forward(self, h):
            return h + 2 * torch.sin(9 * self.map(h))

    model = built(lambda: Blocks(Nonlinear(), Conv(), Nonlinear()))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, WIDTH, 6, 6, dtype=torch.float64, generator=generator)
    plan = lp.surgery.plan(model, list(x.split(10)), drop=1, ways="convolution", layers="blocks.*")
    assert plan.cut.layers == ("blocks.1",)
    assert plan.cut.maps[0].window == Window((1, 2), 1, 1)
    smaller = lp.surgery.cut(model, plan)
    torch.testing.assert_close(smaller(x), model(x), rtol=1e-4, atol=1e-4)


def test_layers_that_read_one_place_of_an_image_have_maps_of_one():
    model = built(lambda: Blocks(Bends(1), nn.Conv2d(WIDTH, WIDTH, 1), Bends(1)))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, WIDTH, 6, 6, dtype=torch.float64, generator=generator)
    options = dict(drop=1, ways="convolution", layers="blocks.1")
    plan = lp.surgery.plan(model, list(x.split(10)), **options)
    assert plan.cut.maps[0].window == Window() and plan.cut.maps[0].explained > 1 - 1e-9


def test_vectors_and_padded_sequences_are_refused():
    vectors = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    x = torch.randn(20, 4)
    with pytest.raises(ValueError, match="given one vector a sample, as '0' is, of shape .10, 4"):
        lp.surgery.plan(vectors, list(x.split(10)), drop=1, ways="convolution")
    with pytest.raises(ValueError, match="sequences are padded, as in 'bert.encoder.layer.0'"):
        lp.surgery.plan(bert(), texts() * 2, drop=1, ways="convolution")


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_behind_tokens_is_read_by_no_convolution_that_looks_back(side):
    model = llama()
    ids = torch.arange(4 * 6).reshape(4, 6) % 17
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    mask = mask.flip(1) if side == "left" else mask
    given = [{"input_ids": ids, "attention_mask": mask}] * 2
    options = dict(drop=1, ways="convolution", layers="model.layers.*")
    if side == "left":
        with pytest.raises(ValueError, match="padding stands before tokens"):
            lp.surgery.plan(model, given, **options)
        return
    plan = lp.surgery.plan(model, given, **options)
    assert plan.cut.maps[0].window == Window((1,), 3, 0)


def test_a_language_model_generates_without_a_cache():
    model = llama()
    width = model.config.hidden_size
    window = Window((1,), 3, 0)
    weight = 0.3 * torch.randn(width, 4 * width, generator=torch.Generator().manual_seed(0))
    name = "model.layers.1"
    map = LinearMap((name,), weight, torch.zeros(width), window=window)
    smaller = lp.surgery.cut(model, lp.surgery.Cut((name,), "convolution", (map,)), texts())
    assert not smaller.config.use_cache and model.config.use_cache
    ids = texts()[0]["input_ids"][:1]
    with torch.no_grad():
        made = smaller.generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=0)
        expected = ids
        for _ in range(made.shape[1] - ids.shape[1]):
            following = smaller(expected).logits[:, -1:].argmax(-1)
            expected = torch.cat([expected, following], 1)
        assert made.shape[1] > ids.shape[1] and torch.equal(made, expected)
        with pytest.raises(ValueError, match="use_cache must be False for a model in which a"):
            smaller.generate(ids, max_new_tokens=5, use_cache=True, pad_token_id=0)
