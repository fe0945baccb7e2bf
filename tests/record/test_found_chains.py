"""Which chains of blocks are found by themselves, and that those of other classes are named."""

import pytest
import torch
from exact_paths import random
from recorded_models import seeded
from torch import nn

import loadpath as lp
from loadpath.record import stream


class Translates(nn.Module):
    """An encoder and a decoder whose layers are of two classes, and two heads."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.net = nn.Transformer(4, 2, encoder, decoder, 8, 0.0, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(4, 3) for _ in range(2))

    def forward(self, src, tgt):
        out = self.net(src, tgt).mean(1)
        return sum(head(out) for head in self.heads)


@pytest.mark.parametrize("encoder, decoder", [(2, 3), (3, 2), (2, 2)])
def test_layers_of_a_decoder_of_another_class_are_named(encoder, decoder):
    """transformers 23179: half of a model was measured without a word of the other half."""
    model = seeded(Translates, encoder, decoder)
    x = random(30, 5, 4, seed=0)
    batches = [({"src": x, "tgt": x[:, :4]}, torch.arange(30) % 3)]
    (recorded,) = stream(model, batches)
    one, other = ("encoder", "decoder") if encoder >= decoder else ("decoder", "encoder")
    count = {"encoder": encoder, "decoder": decoder}
    assert list(recorded.features)[1:] == [f"net.{one}.layers.{l}" for l in range(count[one])]
    kinds = [f"Transformer{side.capitalize()}Layer" for side in (one, other)]
    words = (
        f"{count[other]} {kinds[1]} beside the {kinds[0]} that are taken, name both with layers="
    )
    assert recorded.description.left_out == {f"net.{other}.layers.*": words}
    both = ["net.encoder.layers.*", "net.decoder.layers.*"]
    (recorded,) = stream(model, batches, layers=both)
    assert len(recorded.features) == 1 + encoder + decoder and not recorded.description.left_out
    if encoder == 2 == decoder:
        ds = lp.diagnose(model, batches, measures=["steps"])
        said = f"Left out: net.decoder.layers.* ({words})."
        assert said in lp.diagnosis.summary(ds)
        skipped = lp.diagnosis.skip_layers(model, batches)
        assert skipped.attrs["layers_left_out"] == f"net.decoder.layers.*: {words}"
        assert said in lp.diagnosis.verdict(ds, skipped).sentences


class Stages(nn.Module):
    """Stages of blocks, each block with two parts, and a chain of another class beside them."""

    def __init__(self, beside):
        super().__init__()
        self.stages = nn.Sequential(*(nn.Sequential(Block(), Block()) for _ in range(3)))
        self.others = nn.Sequential(*(nn.Sequential(Other(), Other()) for _ in range(beside)))

    def forward(self, x):
        return self.others(self.stages(x))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(Part() for _ in range(2))

    def forward(self, x):
        return x + self.parts[1](self.parts[0](x))


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(4, 4)

    def forward(self, x):
        return self.mix(x).tanh()


class Other(Part):
    pass


def test_neither_what_holds_blocks_nor_what_is_in_them_is_called_left_out():
    x = random(6, 4, seed=1)
    (recorded,) = stream(seeded(Stages, 0), [x])
    assert len(recorded.features) == 7 and not recorded.description.left_out
    (recorded,) = stream(seeded(Stages, 1), [x])
    words = "2 Other beside the Block that are taken, name both with layers="
    assert recorded.description.left_out == {"others.0.*": words}
