"""What users of other tools reported in public, tried on models that have no such trap."""

import pytest
import torch
from exact_paths import random
from recorded_models import seeded
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from loadpath.record import stream

EXACT = dict(rtol=1e-12, atol=1e-12)
WIDTH = 6


def rows_of(model, loader, **options):
    """Rows of every layer over all batches."""
    recorded = list(stream(model, loader, **options))
    return {name: torch.cat([r.features[name] for r in recorded]) for name in recorded[0].features}


def same(found, expected):
    assert list(found) == list(expected)
    for name, rows in expected.items():
        torch.testing.assert_close(found[name], rows, **EXACT)


class Wrapped(nn.Module):
    """A residual block on (sample, token, width), which puts out what `wrap` makes of its parts."""

    def __init__(self, wrap):
        super().__init__()
        self.inner, self.wrap = nn.Linear(WIDTH, WIDTH), wrap

    def forward(self, x):
        scores = torch.softmax(x @ x.transpose(1, 2), -1)  # (sample, token, token)
        return self.wrap(scores, x + self.inner(scores @ x))


class Chain(nn.Module):
    """Blocks of which `take` unwraps what the next is given, and a head."""

    def __init__(self, wrap=lambda scores, h: h, take=lambda out: out, depth=3):
        super().__init__()
        self.blocks = nn.ModuleList(Wrapped(wrap) for _ in range(depth))
        self.head, self.take = nn.Linear(WIDTH, 2), take

    def forward(self, x):
        for block in self.blocks:
            x = self.take(block(x))
        return self.head(x.mean(1))


def second(out):
    return out[1]


WRAPPINGS = {
    "attention first": (lambda s, h: (s, h), second),
    "auxiliary loss first": (lambda s, h: (s.mean(), h), second),
    "whole numbers and switches first": (lambda s, h: (s.argmax(-1), s > 0.1, h), lambda o: o[2]),
    "router": (lambda s, h: {"router_logits": s, "hidden": h}, lambda o: o["hidden"]),
    "logits by name": (lambda s, h: {"logits": s, "x": h}, lambda o: o["x"]),
    "nested": (lambda s, h: (None, [s, {"h": h}]), lambda o: o[1][1]["h"]),
    "pooled": (lambda s, h: (h.mean(1), h), second),
    "what is not a row a sample": (lambda s, h: (s.flatten(0, 1), h), second),
}


@pytest.mark.parametrize("tokens", [4, WIDTH], ids=["other shape", "same shape"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("layers", [None, "blocks.*"])
def test_the_output_is_what_the_next_block_is_given(wrapping, tokens, layers):
    """Captum 745, 1220: layers that put out tuples; only one of the tensors is the layer's."""
    x = random(5, tokens, WIDTH, seed=0)
    twin = rows_of(seeded(Chain), [x[:3], x[3:]], layers=layers)
    assert list(twin) == ["input", "blocks.0", "blocks.1", "blocks.2"]
    same(rows_of(seeded(Chain, *WRAPPINGS[wrapping]), [x[:3], x[3:]], layers=layers), twin)


TWO = (lambda s, h: {"a": 2 * h, "b": h}, lambda o: o["a"] - o["b"])


def test_what_does_not_tell_its_output_is_refused_until_the_user_says_it():
    """Captum 745: two tensors of one shape, neither of which goes on as it is."""
    x = random(5, 4, WIDTH, seed=1)
    with pytest.raises(ValueError, match=r"layer 'blocks.0' \(Wrapped\) .*\['a'\] .* pass output"):
        rows_of(seeded(Chain, *TWO), [x])
    twin = rows_of(seeded(Chain), [x])
    same(rows_of(seeded(Chain, *TWO), [x], output="b"), twin)
    same(rows_of(seeded(Chain, *TWO), [x], output=lambda out: out["a"] - out["b"]), twin)
    tuples = seeded(Chain, lambda s, h: (2 * h, h), lambda o: o[0] - o[1])
    same(rows_of(tuples, [x], output=1), twin)
    same(rows_of(tuples, [x], output=-1), twin)
    with pytest.raises(ValueError, match="output is 'c', and no layer puts out anything that has"):
        rows_of(seeded(Chain, *WRAPPINGS["router"]), [x], output="c")
    for wrong in (1.5, True):
        with pytest.raises(ValueError, match=f"output must be a key or an index .* got {wrong}"):
            stream(seeded(Chain), [x], output=wrong)
    with pytest.raises(ValueError, match="output must make one tensor .* layer 'blocks.0'"):
        rows_of(seeded(Chain, *TWO), [x], output=lambda out: None)


class Tokens(nn.Module):
    """An encoder of sentences that come samples first, as its layers may not have them."""

    def __init__(self, batch_first):
        super().__init__()
        self.turned = not batch_first
        self.embed = nn.Linear(3, 4)
        layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.recurrent = nn.LSTM(4, 5, batch_first=batch_first)
        self.mix = nn.Linear(5, 5)

    def forward(self, x):
        h = self.embed(x)
        h = h.transpose(0, 1) if self.turned else h
        h = self.mix(self.recurrent(self.encoder(h))[0])
        return h.mean(0 if self.turned else 1)


LAYERS = ["embed", "encoder.layers.*", "recurrent", "mix"]


@pytest.mark.parametrize("sizes", [[5, 5], [4, 5], [5, 4], [3], [1]])
@pytest.mark.parametrize("layers", [None, LAYERS])
def test_each_layer_tells_its_own_axis_of_samples(sizes, layers):
    """Captum 427, 434: an encoder with batch_first=False, for as many tokens as samples."""
    x = list(random(sum(sizes), 5, 3, seed=2).split(sizes))
    twin = rows_of(seeded(Tokens, True), x, layers=layers)
    assert len(twin) == (3 if layers is None else 6)
    same(rows_of(seeded(Tokens, False), x, layers=layers), twin)


class Given(nn.Module):
    """A net on tokens as its layers want them."""

    def __init__(self, batch_first):
        super().__init__()
        self.embed, self.axis = nn.Linear(3, 4), 1 if batch_first else 0
        self.recurrent = nn.GRU(4, 4, batch_first=batch_first)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.recurrent(self.embed(x))[0].mean(self.axis))


@pytest.mark.parametrize("tokens", [5, 7])
@pytest.mark.parametrize("labelled", [True, False])
def test_inputs_with_tokens_first_have_their_samples_too(tokens, labelled):
    """Captum 427: x is (token, sample, width), as a recurrent net takes it by default."""
    x, y = random(5, tokens, 3, seed=3), torch.arange(5)
    first, turned = (x, x.transpose(0, 1)) if not labelled else ((x, y), (x.transpose(0, 1), y))
    twin = rows_of(seeded(Given, True), [first])
    same(rows_of(seeded(Given, False), [turned]), twin)
    assert {len(rows) for rows in twin.values()} == {5}


class Positions(nn.Module):
    """Adds an embedding of positions, which has no samples."""

    def __init__(self):
        super().__init__()
        self.embed, self.place, self.mix = nn.Embedding(9, 4), nn.Embedding(9, 4), nn.Linear(4, 4)

    def forward(self, ids):
        return self.mix(self.embed(ids) + self.place(torch.arange(ids.shape[1])))


@pytest.mark.parametrize("count", [4, 6])
def test_an_embedding_of_positions_is_no_layer_also_for_as_many_tokens_as_samples(count):
    """Captum 434: what happens to be as long as the batch has samples only by chance."""
    ids = torch.arange(count * 4).reshape(count, 4) % 9
    (recorded,) = stream(seeded(Positions), [ids])
    assert list(recorded.features) == ["embed", "mix"]
    assert recorded.description.left_out == {
        "place": "puts out (4, 4), in which no axis is known to have the samples"
    }
    with pytest.raises(ValueError, match="layer 'place' must put out samples along its first axis"):
        list(stream(seeded(Positions), [ids], layers="place"))


class Masked(nn.Module):
    """An encoder and a decoder as Hugging Face's are called, with names that tell nothing."""

    def __init__(self, shrink=1):
        super().__init__()
        self.one, self.two = nn.Embedding(9, 4), nn.Embedding(9, 4)
        self.reads = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
        self.says = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
        self.shrink = shrink

    def forward(self, input_ids, attention_mask=None, decoder_input_ids=None, **masks):
        h = self.one(input_ids)[:, :: self.shrink]
        for layer in self.reads:
            h = layer(h)
        k = self.two(decoder_input_ids) + h.mean(1, keepdim=True)
        for layer in self.says:
            k = layer(k)
        return k


def outputs(model, batch, names):
    """What modules put out, by hooks of the test's own."""
    found, handles = {}, []
    for name in names:
        module = model.get_submodule(name)
        handles.append(
            module.register_forward_hook(lambda m, a, out, name=name: found.update({name: out}))
        )
    with torch.no_grad():
        model(**batch)
    for handle in handles:
        handle.remove()
    return found


def masked_mean(x, mask):
    return torch.stack([tokens[real.bool()].mean(0) for tokens, real in zip(x, mask, strict=True)])


@pytest.mark.parametrize("lengths", [(5, 5), (5, 3)])
@pytest.mark.parametrize("given", ["both", "source", "target"])
def test_encoder_and_decoder_have_masks_of_their_own(lengths, given):
    """transformers 27565, 23179: padding of the decoder is not where that of the encoder is."""
    model, (source, target) = seeded(Masked), lengths
    batch = {
        "input_ids": torch.arange(3 * source).reshape(3, source) % 9,
        "decoder_input_ids": (torch.arange(3 * target).reshape(3, target) * 2 + 1) % 9,
    }
    masks = {
        "attention_mask": torch.tensor([[1] * source, [1, 1] + [0] * (source - 2), [1] * source]),
        "decoder_attention_mask": torch.tensor([[1, 1] + [0] * (target - 2)] + [[1] * target] * 2),
    }
    kept = {"both": list(masks), "source": ["attention_mask"], "target": [list(masks)[1]]}[given]
    batch |= {name: masks[name] for name in kept}
    (recorded,) = stream(model, [batch])
    names = ["reads.0", "reads.1", "says.0", "says.1"]
    assert list(recorded.features) == names
    for name, x in outputs(model, batch, names).items():
        mask = "attention_mask" if name.startswith("reads") else "decoder_attention_mask"
        words = recorded.description.layers[name]
        if mask in kept:
            torch.testing.assert_close(recorded.features[name], masked_mean(x, masks[mask]))
            assert words.endswith(f"mean over the tokens that are not padding by {mask}")
        else:
            torch.testing.assert_close(recorded.features[name], x.mean(1))
            assert words.endswith(f"all of them: {kept[0]} is of other tokens")


class Shortens(nn.Module):
    """Takes every second frame, and may say what becomes of a mask then."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
        self.embed = nn.Linear(1, 4)

    def forward(self, input_values, attention_mask=None):
        h = self.embed(input_values[:, ::2, None])
        for layer in self.layers:
            h = layer(h)
        return h.mean(1)


class Tells(Shortens):
    def _get_feature_vector_attention_mask(self, feature_vector_length, attention_mask):
        lengths = (attention_mask.sum(1, keepdim=True) + 1) // 2
        return torch.arange(feature_vector_length) < lengths


def test_where_lengths_differ_the_models_own_mask_or_the_users_or_all_tokens_count():
    """transformers 25307, 27493: speech models shorten the sequence, and not its mask."""
    mask = torch.tensor([[1] * 8, [1] * 4 + [0] * 4, [1] * 6 + [0] * 2])
    batch = {"input_values": random(3, 8, seed=4), "attention_mask": mask}
    half = mask[:, ::2]
    for kind, options, expected, words in (
        (Tells, {}, half, "not padding by _get_feature_vector_attention_mask of the model"),
        (Shortens, {}, torch.ones_like(half), "all of them: attention_mask has 8, and the layer 4"),
        (
            Shortens,
            {"token_mask": lambda layer, tokens, mask: mask[:, ::2]},
            half,
            "not padding by token_mask",
        ),
        (
            Tells,
            {"token_mask": lambda *_: None},
            torch.ones_like(half),
            "all of them by token_mask",
        ),
    ):
        model = seeded(kind)
        (recorded,) = stream(model, [batch], **options)
        for name, x in outputs(model, batch, ["layers.0", "layers.1"]).items():
            torch.testing.assert_close(recorded.features[name], masked_mean(x, expected))
            assert recorded.description.layers[name].endswith(words)
    wrong = {"token_mask": lambda layer, tokens, mask: mask}
    with pytest.raises(ValueError, match=r"token_mask must give .* \(3, 4\) for layer 'layers.0'"):
        list(stream(seeded(Tells), [batch], **wrong))
    with pytest.raises(ValueError, match="token_mask must be a function, got 3"):
        stream(seeded(Tells), [batch], token_mask=3)


class Sees(nn.Module):
    """A tower of images beside one of text, of as many tokens."""

    def __init__(self):
        super().__init__()
        self.embed, self.patch = nn.Embedding(9, 4), nn.Linear(2, 4)
        self.a = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
        self.b = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))

    def forward(self, input_ids, pixels, attention_mask=None):
        h, k = self.embed(input_ids), self.patch(pixels)
        for one, two in zip(self.a, self.b, strict=True):
            h, k = one(h), two(k)
        return h.mean(1) @ k.mean(1).T


def test_images_beside_text_have_no_padding():
    """transformers 27565: a mask of text says nothing of patches, also if there are as many."""
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]])
    ids, pixels = torch.arange(9).reshape(3, 3), random(3, 3, 2, seed=5)
    batch = {"input_ids": ids, "pixels": pixels, "attention_mask": mask}
    model = seeded(Sees)
    (recorded,) = stream(model, [batch])
    for name, x in outputs(model, batch, ["a.0", "a.1", "b.0", "b.1"]).items():
        expected = masked_mean(x, mask if name[0] == "a" else torch.ones_like(mask))
        torch.testing.assert_close(recorded.features[name], expected)


def test_a_mask_of_more_axes_is_for_the_model_only():
    """transformers 23179: a 4-D attention_mask, which the model takes as it is."""
    model, ids = seeded(Masked), torch.arange(6).reshape(2, 3)
    batch = {"input_ids": ids, "decoder_input_ids": ids, "attention_mask": torch.ones(2, 1, 3, 3)}
    (recorded,) = stream(model, [batch])
    for name, x in outputs(model, batch, ["reads.1", "says.1"]).items():
        torch.testing.assert_close(recorded.features[name], x.mean(1))
        words = "all of them: attention_mask (2, 1, 3, 3) is read by the model only"
        assert recorded.description.layers[name].endswith(words)


class OneDict(nn.Module):
    """As sentence-transformers: one dict in, and more in it out."""

    def __init__(self):
        super().__init__()
        self.embed, self.mix = nn.Embedding(9, 4), nn.Linear(4, 4)

    def forward(self, features, **kwargs):
        features["token_embeddings"] = self.mix(self.embed(features["input_ids"]))
        features["sentence_embedding"] = features["token_embeddings"].mean(1)
        return features


class OneList(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.last = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, parts):
        return self.last(self.mix(torch.cat(list(parts), 1)))


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.last = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, data, scale=1.0):
        parts = data["parts"] if "parts" in data else [data["a"]["x"], data["b"]]
        return self.last(self.mix(torch.cat(parts, 1)))


def test_models_that_take_one_dict_or_one_list_are_given_it():
    """torchinfo 46, 30; torchlens 43; captum 1196: inputs that are no row of tensors."""
    ids, mask = torch.arange(6).reshape(2, 3), torch.tensor([[1, 1, 0], [1, 1, 1]])
    model = seeded(OneDict)
    batch = {"input_ids": ids, "attention_mask": mask}
    (recorded,) = stream(model, [batch])
    assert list(recorded.features) == ["embed", "mix"] and list(batch) == [
        "input_ids",
        "attention_mask",
    ]
    x = model.mix(model.embed(ids)).detach()
    torch.testing.assert_close(recorded.features["mix"], masked_mean(x, mask), **EXACT)
    a, b = random(3, 2, seed=6), random(3, 3, seed=7)
    twin = seeded(OneList)
    expected = twin.last(twin.mix(torch.cat([a, b], 1))).detach()
    for kind, raw in (
        (OneList, ([a, b], torch.arange(3))),
        (OneList, ((a, b), torch.arange(3))),
        (Nested, {"parts": [a, b]}),
        (Nested, ({"a": {"x": a}, "b": b}, torch.arange(3))),
    ):
        found = rows_of(seeded(kind), [raw])
        torch.testing.assert_close(found["last"], expected, **EXACT)
        torch.testing.assert_close(found["input"], a, **EXACT)


class Pair(nn.Module):
    def forward(self, a, b):
        return a + b


def test_a_call_that_fails_names_split():
    """torchinfo 30; captum 1196: the model wants to be called in another way."""
    x = random(3, 5, seed=8)
    for model, raw, sentence in (
        (
            OneList(),
            {"parts": [x], "k": 3},
            r"model takes \(parts\), .* a dict of parts, k.* split",
        ),
        (Pair(), (x, None), r"model takes \(a, b\), and batch 0 of loader has one input .* split"),
        (Nested(), (x, None), "model cannot run on batch 0 .*RuntimeError: Tensor.*pass split"),
        (OneList(), ([x, x], None), "cannot run on batch 0 .*RuntimeError: mat1 .* pass split"),
    ):
        with pytest.raises(ValueError, match=sentence) as error:
            list(stream(model.double(), [raw]))
        assert "\n" not in str(error.value)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.GRU(3, 4, batch_first=True), nn.LSTM(4, 4, batch_first=True)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.second(self.first(x)[0])[1][0][-1])


@pytest.mark.parametrize("layers", [None, ["first", "second", "last"]])
def test_packed_sequences_are_unpacked_with_lengths_of_their_own(layers):
    """Captum 1528: recurrent nets on packed sequences, whose layers vanished."""
    parts = [random(n, 3, seed=n) for n in (2, 5, 3)]
    packed = pack_sequence(parts, enforce_sorted=False)
    model = seeded(Recurrent)
    (recorded,) = stream(model, [(packed, torch.arange(3))], layers=layers)
    alone = [rows_of(model, [part[None]], layers=layers) for part in parts]
    same(recorded.features, {name: torch.cat([a[name] for a in alone]) for name in alone[0]})
    assert recorded.description.layers["second"] == (
        "output of second (LSTM), (sample, token, 4): mean over the tokens that are not padding by "
        "their own lengths"
    )


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(4, 4)

    def forward(self, x):
        return x + torch.tanh(self.mix(x))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_blocks_are_layers_as_any_other():
    """Captum 1528: what is scripted was left out, and its work credited to the next layer."""
    plain = seeded(lambda: nn.Sequential(Block(), Block(), Block(), nn.Linear(4, 2)))
    mixed = nn.Sequential(plain[0], torch.jit.script(plain[1]), plain[2], plain[3])
    x = random(5, 4, seed=9)
    same(rows_of(mixed, [x]), rows_of(plain, [x]))
    same(rows_of(mixed, [x], layers="1"), rows_of(plain, [x], layers="1"))
    alone = nn.Sequential(plain[3], torch.jit.script(nn.ReLU()), nn.Linear(2, 2).double())
    assert list(rows_of(alone, [x])) == ["input", "0", "1", "2"]
    (recorded,) = stream(mixed, [x])
    assert recorded.description.layers["1"] == "output of 1 (Block), (sample, 4): as it is"
    assert not plain[1]._forward_hooks and not mixed[1]._forward_hooks


class Missing(nn.Module):
    """Takes what is missing for 0."""

    def __init__(self):
        super().__init__()
        self.mix, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = x.to_dense() if x.layout != torch.strided else x
        x = torch.nested.to_padded_tensor(x, 0.0).mean(1) if x.is_nested else x
        return self.last(self.mix(x.nan_to_num()))


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
@pytest.mark.parametrize(
    "inputs, words",
    [
        (lambda x: [x.where(x > 0, torch.nan)], "has NaN or infinity in batch 0"),
        (lambda x: [x[:3], x[3:].where(x[3:] > 0, torch.nan)], "has NaN or infinity in batch 1"),
        (lambda x: [x.to_sparse()], "is a sparse tensor"),
        (lambda x: [torch.nested.nested_tensor([x[:2], x[2:]])], "is a nested tensor"),
    ],
    ids=["missing", "missing later", "sparse", "nested"],
)
def test_an_input_that_the_model_handles_itself_is_left_out(inputs, words):
    """Captum 1196: NaN for what is missing, sparse and nested inputs."""
    loader, model = inputs(random(6, 3, seed=10)), seeded(Missing)
    *_, recorded = stream(model, loader, layers=["mix", "last"])
    assert list(recorded.features) == ["mix", "last"]
    assert recorded.description.left_out == {"input": words}
    assert list(recorded.description.layers) == ["mix", "last"]
    torch.testing.assert_close(recorded.features["last"], model(loader[-1]).detach(), **EXACT)


class Solves(nn.Module):
    """Takes more steps from larger values."""

    def __init__(self):
        super().__init__()
        self.field, self.last = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        for _ in range(int(x.abs().max()) + 1):
            x = x + 0.1 * self.field(x)
        return self.last(x)


def test_modules_that_run_a_varying_number_of_times_are_told_of():
    """torchlens 43: the function of an ODE runs as often as its solver likes."""
    loader = [torch.full((2, 3), float(n), dtype=torch.float64) for n in (2, 3)]
    with pytest.raises(ValueError, match="'field' runs a varying .* name others with layers="):
        list(stream(seeded(Solves), loader))
    assert len(list(stream(seeded(Solves), loader, layers="last"))) == 2


class Forces(nn.Module):
    """Energies and forces, which are gradients."""

    def __init__(self):
        super().__init__()
        self.mix, self.last = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, x):
        x.requires_grad_(True)
        energy = self.last(torch.tanh(self.mix(x)))
        return energy, torch.autograd.grad(energy.sum(), x, create_graph=True)[0]


def test_models_that_take_gradients_run_with_grad():
    """Captum 1220: models of energies and forces, whose forward takes gradients."""
    model, x = seeded(Forces), random(5, 3, seed=11)
    with pytest.raises(ValueError, match="takes gradients when it runs on batch 0 .* grad=True"):
        list(stream(model, [x], layers="mix"))
    model.mix.weight.grad = torch.ones_like(model.mix.weight)
    (recorded,) = stream(model, [x], grad=True)
    torch.testing.assert_close(recorded.features["mix"], model.mix(x).detach(), **EXACT)
    given = recorded.output[1]
    torch.testing.assert_close(given, model(x.clone())[1].detach(), **EXACT)
    assert not any(t.requires_grad for t in [given, *recorded.features.values(), x])
    assert torch.equal(model.mix.weight.grad, torch.ones_like(model.mix.weight))


class Patches(nn.Module):
    """Adds an embedding of positions to the patches of images."""

    def __init__(self):
        super().__init__()
        self.cut, self.place, self.mix = nn.Conv2d(3, 4, 2, 2), nn.Embedding(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        patches = self.cut(x).flatten(2).transpose(1, 2)
        return self.mix(patches + self.place(torch.arange(patches.shape[1])))


@pytest.mark.parametrize("count", [4, 6])
def test_positions_of_patches_are_no_layer_either(count):
    """Captum 434: as many patches as images, and an embedding of them."""
    x = random(count, 3, 4, 4, seed=12)
    (recorded,) = stream(seeded(Patches), [x])
    assert list(recorded.features) == ["input", "cut", "mix"]
    with pytest.raises(ValueError, match="layer 'place' must put out samples along its first axis"):
        list(stream(seeded(Patches), [x], layers="place"))


class Twice(nn.Module):
    """Calls a block first on what its output can be told from, and then on what it cannot."""

    def __init__(self):
        super().__init__()
        self.block, self.turns = Block(), 0

    def forward(self, x):
        h = self.block(x)
        return self.block(h)


class Alternates(Block):
    """Puts out a tensor in its first call of a pass, and a tuple in its second."""

    def forward(self, x):
        h = super().forward(x)
        self.second = not getattr(self, "second", False)
        return h if self.second else (2 * h.mean(1, keepdim=True).expand_as(h), h)


def test_a_second_call_has_a_place_of_its_own():
    """Captum 745: one module that puts out other structures in other calls."""
    model, twin = seeded(Twice), seeded(Twice)
    model.block = Alternates().double()
    model.block.load_state_dict(twin.block.state_dict())
    x = random(5, 4, seed=13)
    with pytest.raises(ValueError, match="layer 'block' .* several tensors"):
        rows_of(model, [x], layers="block")
    model.block.second = False
    same(rows_of(model, [x], layers="block", output=1), rows_of(twin, [x], layers="block"))


def test_real_models_have_the_masks_that_they_were_built_for():
    """transformers 27565, 25307; torchinfo 46: BART, wav2vec 2 and sentence-transformers."""
    transformers = pytest.importorskip("transformers")
    sentences = pytest.importorskip("sentence_transformers")
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    small = dict(
        d_model=8,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        vocab_size=20,
        max_position_embeddings=8,
        pad_token_id=1,
        eos_token_id=2,
    )
    bart = seeded(lambda: transformers.BartModel(transformers.BartConfig(**small))).eval()
    ids = torch.arange(15).reshape(3, 5) + 3
    source = torch.tensor([[1, 1, 1, 0, 0], [1] * 5, [1, 1, 0, 0, 0]])
    target = torch.tensor([[1] * 5, [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    batch = {
        "input_ids": ids,
        "attention_mask": source,
        "decoder_input_ids": ids.flip(0),
        "decoder_attention_mask": target,
    }
    layers = ["encoder.layers.0", "decoder.layers.1"]
    (recorded,) = stream(bart, [batch], layers=["encoder.layers.*", "decoder.layers.*"])
    with torch.no_grad():
        out = bart(**batch, output_hidden_states=True)
    for name, states, mask in (
        (layers[0], out.encoder_hidden_states, source),
        (layers[1], out.decoder_hidden_states, target),
    ):
        torch.testing.assert_close(recorded.features[name], masked_mean(states[-1], mask), **EXACT)

    config = transformers.Wav2Vec2Config(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=8,
        conv_dim=(8, 8),
        conv_kernel=(4, 4),
        conv_stride=(2, 2),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    model = seeded(lambda: transformers.Wav2Vec2Model(config)).eval()
    mask = torch.ones(3, 64, dtype=torch.int64)
    mask[1, 30:] = 0
    batch = {"input_values": random(3, 64, seed=14), "attention_mask": mask}
    (recorded,) = stream(model, [batch])
    frames = torch.arange(14) < torch.tensor([[14], [6], [14]])  # ((30 - 4) // 2 + 1 - 4) // 2 + 1
    with torch.no_grad():
        state = model(**batch, output_hidden_states=True).hidden_states[1]
    found = recorded.features["encoder.layers.0"]
    torch.testing.assert_close(found, masked_mean(state, frames), **EXACT)

    pooling = modules.Pooling(4, "mean")
    model = sentences.SentenceTransformer(modules=[seeded(OneDict), pooling], device="cpu")
    ids, mask = ids % 9, source
    (recorded,) = stream(model, [{"input_ids": ids, "attention_mask": mask}], layers=["0.mix", "1"])
    torch.testing.assert_close(recorded.features["0.mix"], recorded.features["1"], **EXACT)


def test_a_sparse_input_is_refused_in_a_sentence_where_no_layers_are_named():
    """Captum 1196: what to do about an input that cannot be a layer."""
    x = random(6, 3, seed=15).to_sparse()
    with pytest.raises(ValueError, match="input of the model is a sparse tensor: name layers, and"):
        list(stream(seeded(Missing), [x]))


class Translates(nn.Module):
    """torch's own transformer, which has tokens first."""

    def __init__(self, batch_first):
        super().__init__()
        self.net = nn.Transformer(4, 2, 2, 2, 8, 0.0, batch_first=batch_first)

    def forward(self, src, tgt, src_key_padding_mask=None, tgt_key_padding_mask=None):
        return self.net(
            src,
            tgt,
            src_key_padding_mask=src_key_padding_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
        )


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize(
    "tokens, given", [((5, 5), ["src"]), ((5, 3), ["src"]), ((5, 3), ["src", "tgt"])]
)
def test_a_transformer_with_tokens_first_has_the_masks_of_its_twin(tokens, given):
    """Captum 427, transformers 27565: tokens first, and a mask for the source or for both."""
    src, tgt = (random(5, n, 4, seed=n) for n in tokens)
    masks = {}
    for name, n in zip(("src", "tgt"), tokens, strict=True):
        mask = torch.zeros(5, n, dtype=torch.bool)
        mask[1 if name == "src" else 3, 2:] = True
        masks[f"{name}_key_padding_mask"] = mask
    masks = {name: mask for name, mask in masks.items() if name[:3] in given}
    layers = ["net.encoder.layers.*", "net.decoder.layers.*"]
    twin = {"src": src, "tgt": tgt, **masks}
    turned = {"src": src.transpose(0, 1), "tgt": tgt.transpose(0, 1), **masks}
    y = torch.arange(5)
    expected = rows_of(seeded(Translates, True), [(twin, y)], layers=layers)
    same(rows_of(seeded(Translates, False), [(turned, y)], layers=layers), expected)
    (recorded,) = stream(seeded(Translates, False), [(turned, y)], layers=layers)
    ends = [
        words.partition("mean over the tokens")[2] for words in recorded.description.layers.values()
    ]
    assert ends[1] == ends[2] == " that are not padding by src_key_padding_mask"
    assert ends[3] == ends[4]
    if "tgt" in given:
        assert ends[3] == " that are not padding by tgt_key_padding_mask"
    else:
        assert ends[3] == ", all of them: src_key_padding_mask is of other tokens"


class Mixed(nn.Module):
    """Blocks of a user's own, none of which says which axis has its samples."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(2))

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x) + x.mean(self.axis, keepdim=True)
        return x.mean(self.axis)


@pytest.mark.parametrize("batches", [1, 2])
def test_the_rows_of_the_answer_tell_the_axis_where_no_module_does(batches):
    """Captum 434: x is (token, sample, width), without labels, for modules of the user's own."""
    x = list(random(5 * batches, 7, 3, seed=4).split(5))
    twin = rows_of(seeded(Mixed, 1), x)
    same(rows_of(seeded(Mixed, 0), [part.transpose(0, 1) for part in x]), twin)
    assert {len(rows) for rows in twin.values()} == {5 * batches}
