"""What sentences call layers: short where the number alone tells them apart, whole elsewhere."""

import numpy as np
import pytest
import xarray as xr

from loadpath.diagnosis.naming import left_out_sentences, names_in_sentences


def named(names, kinds=None):
    ds = xr.Dataset(coords={"layer": np.array(names, dtype=object)})
    if kinds is not None:
        ds["layer_kind"] = ("layer", np.array(kinds, dtype=object))
    return names_in_sentences(ds)


@pytest.mark.parametrize(
    "names, said, key",
    [
        (["input", "0", "12"], ["the input", "layer 0", "layer 12"], ""),
        (
            ["bert.embeddings", "bert.layer.0", "bert.layer.1"],
            ["layer bert.embeddings", "layer 0", "layer 1"],
            "layer N stands for bert.layer.N",
        ),
        (
            ["h.0.output", "h.1.output"],
            ["layer 0", "layer 1"],
            "layer N stands for h.N.output",
        ),
        # The same number twice: of two chains, or of two numbers in a name.
        (["encoder.0", "decoder.0"], ["layer encoder.0", "layer decoder.0"], ""),
        (["layer1.0", "layer2.0"], ["layer layer1.0", "layer layer2.0"], ""),
        (["a.0.1", "a.0.2"], ["layer a.0.1", "layer a.0.2"], ""),
        (["block", "block#2"], ["layer block", "layer block (call 2)"], ""),
        (["b.3", "b.3#2"], ["layer 3", "layer 3 (call 2)"], "layer N stands for b.N"),
    ],
)
def test_a_layer_has_a_name_that_can_be_read_and_is_its_own(names, said, key):
    found = named(names)
    assert [found.one(name) for name in names] == said
    assert len(set(said)) == len(names) and found.key == key


def test_blocks_are_called_so_where_that_is_known():
    kinds = ["input of the model", "single module (Linear)", "block (Block)", "block (Block)"]
    found = named(["input", "0", "1", "2"], kinds)
    assert [found.one(name) for name in ("0", "1")] == ["layer 0", "block 1"]
    assert found.several(["1", "2"]) == "blocks 1 and 2"
    assert found.several(["1", "2"], "or") == "block 1 or 2"
    assert found.several(["0", "1"]) == "layer 0 and block 1"
    assert found.several(["input", "1"]) == "the input and block 1"
    assert found.several([]) == "none"


def test_what_was_left_out_is_a_sentence():
    ds = xr.Dataset(attrs={"layers_left_out": "a: why; b: else"})
    assert list(left_out_sentences(ds)) == ["These are left out: a (why) and b (else)."]
    assert list(left_out_sentences(xr.Dataset())) == []
