"""Exports: what is loaded again is the cut model, and layers have each tool's own numbers."""

from pathlib import Path

import pytest
import torch
import yaml
from redundant_nets import labelled, linear_inside_net, residual_net, rows

import loadpath as lp
from loadpath.diagnosis.surgery import Cut
from loadpath.diagnosis.surgery.exporting import mergekit_slices, prune_layers
from tests.diagnosis.surgery.test_cutting import ByName, Numbered, OfTuples, Residual, built
from tests.diagnosis.surgery.test_surgery import batches, bert, llama

X = rows(20)
HUB = "huggingface"


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_a_model_of_transformers_loads_there_and_gives_the_same_outputs(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = llama()
    gone = Cut(("model.layers.1", "model.layers.2"))
    smaller = lp.surgery.cut(model, gone, batches())
    found = lp.surgery.export(model, smaller, tmp_path / "out", name="meta/llama")
    assert found.left_out == {} and set(found.files) == names_in(tmp_path / "out")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out" / HUB).eval()
    ids = batches()[0]["input_ids"]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, smaller(ids).logits)
    assert loaded.config.num_hidden_layers == 2
    text = (Path(found.place) / "prune-layers.txt").read_text()
    assert text == "1,2\n"  # blk.1 and blk.2 of llama.cpp, which counts from 0
    slices = yaml.safe_load((Path(found.place) / "mergekit.yaml").read_text())
    assert slices["merge_method"] == "passthrough" and slices["dtype"] == "float32"
    ranges = [each["sources"][0]["layer_range"] for each in slices["slices"]]
    assert [l for first, end in ranges for l in range(first, end)] == [0, 3]
    assert slices["slices"][0]["sources"][0]["model"] == "meta/llama"
    again = lp.surgery.load(model, Path(found.place))
    with torch.no_grad():
        assert torch.equal(again(ids).logits, smaller(ids).logits)
    with pytest.raises(FileExistsError, match="exists already and overwrite is False"):
        lp.surgery.export(model, smaller, tmp_path / "out")
    lp.surgery.export(model, smaller, tmp_path / "out", overwrite=True)


def test_the_model_inside_another_is_what_transformers_gets(tmp_path):
    transformers = pytest.importorskip("transformers")

    class Topics(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask):
            return self.bert(input_ids, attention_mask).last_hidden_state[:, 0]

    model = Topics(bert().bert)
    smaller = lp.surgery.cut(model, Cut(("bert.encoder.layer.0",)), batches())
    found = lp.surgery.export(model, smaller, tmp_path)
    loaded = Topics(transformers.AutoModel.from_pretrained(tmp_path / HUB).eval())
    with torch.no_grad():
        assert torch.equal(loaded(**batches()[0]), smaller(**batches()[0]))
    assert (Path(found.place) / "prune-layers.txt").read_text() == "0\n"


@pytest.mark.parametrize(
    "gone, ranges, pruned",
    [
        ([1, 2], [[0, 1], [3, 6]], "1,2"),
        ([5, 0], [[1, 5]], "0,5"),
        ([0, 1, 3], [[2, 3], [4, 6]], "0,1,3"),
    ],
)
def test_layers_are_numbered_as_each_tool_counts_them(gone, ranges, pruned):
    found = mergekit_slices(gone, 6, "model", "bfloat16")
    assert [each["sources"][0]["layer_range"] for each in found["slices"]] == ranges
    assert prune_layers(gone) == pruned
    kept = [l for first, end in ranges for l in range(first, end)]  # ranges have no ends
    assert sorted([*kept, *gone]) == list(range(6))


def path_net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return lp.LeakyResNet(6, 2, width=8, depth=4, effective_depth=1.0).double()


@pytest.mark.parametrize(
    "make, layers, x",
    [
        (lambda: residual_net((1.0,) * 4), ("blocks.0", "blocks.2"), X),
        (lambda: built(ByName), ("second", "named.third"), X),
        (lambda: built(lambda: OfTuples(True)), ("blocks.1",), X),
        (lambda: built(lambda: Numbered([Residual(6) for _ in range(4)])), ("blocks.1",), X),
        (path_net, ("path.2", "path.3"), X),
    ],
)
@pytest.mark.parametrize("way", ["drop", "merge"])
def test_what_is_loaded_is_the_cut_model(make, layers, x, way, tmp_path):
    model = make()
    if way == "merge" and isinstance(model, ByName):
        with pytest.raises(ValueError, match=r"named.third: no layer of its shape is beside 'sec"):
            lp.surgery.cut(model, Cut(layers, way), [x])
        return
    smaller = lp.surgery.cut(model, Cut(layers, way), [x])
    found = lp.surgery.export(model, smaller, tmp_path)
    assert found.files == ("model.safetensors",)
    assert found.left_out["huggingface"] == "it is no model of transformers"
    loaded = lp.surgery.load(make(), tmp_path)
    assert torch.equal(_answer(loaded, x), _answer(smaller, x))


def _answer(model, x):
    with torch.no_grad():
        return model.eval()(x)


def test_linear_maps_are_exported_with_the_weights(tmp_path):
    model = linear_inside_net()
    plan = lp.surgery.plan(model, labelled(model, X, size=5), drop=1, ways="linear")
    smaller = lp.surgery.cut(model, plan)
    found = lp.surgery.export(model, smaller, tmp_path)
    assert found.files == ("model.safetensors",)
    assert torch.equal(lp.surgery.load(model, tmp_path)(X), smaller(X))


def test_what_cannot_be_exported_or_loaded_is_refused(tmp_path):
    model = residual_net()
    with pytest.raises(ValueError, match="smaller must be a model that loadpath.surgery.cut made"):
        lp.surgery.export(model, model, tmp_path)
    smaller = lp.surgery.cut(model, Cut(("blocks.1",)), [X])
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written .Not a directory"):
        lp.surgery.export(model, smaller, tmp_path / "file" / "out")
    lp.surgery.export(model, smaller, tmp_path)
    with pytest.raises(ValueError, match="model must be of the architecture that was cut"):
        lp.surgery.load(residual_net(width=4), tmp_path)
    with pytest.raises(ValueError, match="model must be the original, of which blocks.1 were cut"):
        lp.surgery.load(built(ByName), tmp_path)
