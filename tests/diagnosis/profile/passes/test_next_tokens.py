"""What layers add to the next token: against the logit lens by hand, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import loadpath as lp

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()

VOCABULARY, LENGTH, WIDTH = 30, 12, 16
ENDS = dict(bos_token_id=0, eos_token_id=0, pad_token_id=0)


def sequences(n, seed=0):
    """Each token follows from the one before, but for some noise."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randint(VOCABULARY, (n, 1), generator=generator)]
    for _ in range(LENGTH - 1):
        noise = torch.randint(2, (n, 1), generator=generator)
        parts.append((3 * parts[-1] + 1 + noise) % VOCABULARY)
    return torch.cat(parts, dim=1)


def gpt2(**options):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=WIDTH, n_layer=3, n_head=2, **ENDS
    )
    return transformers.GPT2LMHeadModel(config, **options).eval()


def trained(model, steps=40):
    """A model that has learnt something of the sequences."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(steps):
        ids = sequences(32, seed=step)
        logits = model(ids)
        logits = logits if isinstance(logits, torch.Tensor) else logits.logits
        loss = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def by_hand(logits, ids):
    """The cross-entropy of the next token, a mean for each sample."""
    log_p = logits[:, :-1].double().log_softmax(-1)
    return -log_p.gather(2, ids[:, 1:, None])[..., 0].mean(1)


def read(model, loader, **options):
    return lp.diagnose(model, loader, measures=["next_token"], progress=False, **options)


def test_a_small_gpt2_is_read_as_the_logit_lens_reads_it_with_intervals_over_samples():
    model, ids = trained(gpt2()), sequences(50, seed=99)
    ds = read(model, [{"input_ids": part} for part in ids.split(20)])
    with torch.no_grad():
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
        body = model.transformer
        # The last of the hidden states has had the final norm already.
        lens = [model.lm_head(body.ln_f(h)) for h in hidden[:-1]] + [model.lm_head(hidden[-1])]
    losses = torch.stack([by_hand(logits, ids) for logits in lens])  # (read, sample)
    # The model computes in float32: its own rounding, of which sums take the mean.
    np.testing.assert_allclose(ds["next_token_loss"], losses[1:].mean(1), rtol=1e-5)
    gains = (losses[:-1] - losses[1:]).numpy()
    np.testing.assert_allclose(ds["next_token_gain"], gains.mean(1), rtol=1e-4, atol=1e-6)
    reach = stats.t.ppf(0.975, 49) * gains.std(axis=1, ddof=1) / math.sqrt(50)
    for end, sign in (("low", -1), ("high", 1)):
        expected = gains.mean(1) + sign * reach
        np.testing.assert_allclose(ds[f"next_token_gain_{end}"], expected, rtol=1e-3, atol=1e-6)
    assert ds.attrs["next_tokens"] == 50 * (LENGTH - 1)
    assert ds.attrs["next_token_vocabulary"] == VOCABULARY
    # All that the layers add up to is the way from the embeddings to the model's own loss.
    whole = float(ds["next_token_gain"].sum())
    assert whole == pytest.approx(float(losses[0].mean() - losses[-1].mean()), rel=1e-5)
    said = " ".join(lp.diagnosis.summary(ds))
    assert f"{losses[0].mean():.3g} nats at the input of block 0" in said
    assert f"{losses[-1].mean():.3g} nats after block 2 (550 tokens; an even guess among" in said
    assert "Labels were not used: the next tokens are those of the input itself." in said


class Block(nn.Module):
    """Causal attention and a net, with norms before them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.net = nn.Sequential(nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH))

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        y = self.first(x)
        x = x + self.attention(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.net(self.second(x))


class HomeMade(nn.Module):
    """A GPT as people write it themselves."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Parameter(0.1 * torch.randn(LENGTH, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def hidden(self, ids):
        states = [self.embedding(ids) + self.places]
        for block in self.blocks:
            states.append(block(states[-1]))
        return states

    def forward(self, ids):
        return self.head(self.norm(self.hidden(ids)[-1]))


def test_a_home_made_gpt_is_read_through_the_head_that_is_given():
    torch.manual_seed(1)
    model, ids = trained(HomeMade()), sequences(30, seed=98)
    ds = read(model, [ids[:16], ids[16:]], head=lambda h: model.head(model.norm(h)))
    with torch.no_grad():
        lens = [model.head(model.norm(h)) for h in model.hidden(ids)]
    losses = torch.stack([by_hand(logits, ids) for logits in lens]).mean(1)
    np.testing.assert_allclose(ds["next_token_loss"], losses[1:], rtol=1e-5)
    np.testing.assert_allclose(
        ds["next_token_gain"], losses[:-1] - losses[1:], rtol=1e-4, atol=1e-6
    )
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_padding_is_not_predicted_and_predicts_nothing():
    model, ids = gpt2(), sequences(8)
    mask = torch.ones_like(ids)
    mask[:4, 7:] = 0
    ds = read(model, [{"input_ids": ids, "attention_mask": mask}])
    assert ds.attrs["next_tokens"] == 4 * 6 + 4 * 11
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits
    log_p = logits[:, :-1].double().log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    counted = mask[:, 1:].bool()
    assert float(ds["next_token_loss"][-1]) == pytest.approx(
        -float(log_p[counted].mean()), rel=1e-5
    )


def test_labels_are_not_used():
    model, ids = gpt2(), sequences(12)
    alone = read(model, [{"input_ids": ids}])
    labels = {"input_ids": ids, "labels": torch.randint(VOCABULARY, ids.shape)}
    beside = read(model, [labels], pass_labels=True)
    for name in alone.data_vars:
        if alone[name].dtype != object:
            np.testing.assert_array_equal(alone[name], beside[name], err_msg=name)


def test_long_sequences_are_read_at_some_of_their_tokens():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=400, n_embd=8, n_layer=2, n_head=2, **ENDS
    )
    ids = torch.randint(VOCABULARY, (3, 400))
    ds = read(transformers.GPT2LMHeadModel(config), [{"input_ids": ids}])
    assert ds.attrs["next_tokens"] == 3 * 100  # every fourth of 399


def families():
    small = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_attention_heads=2, **ENDS)
    wide = dict(num_hidden_layers=2, intermediate_size=32, max_position_embeddings=LENGTH)
    llama = transformers.LlamaConfig(**small, **wide, num_key_value_heads=2)
    neox = transformers.GPTNeoXConfig(**small, **wide)
    # Its head reads a projection of the last layer to another width.
    opt = transformers.OPTConfig(
        **small, num_hidden_layers=2, ffn_dim=32, max_position_embeddings=LENGTH,
        word_embed_proj_dim=8,
    )  # fmt: skip
    return [
        ("llama", transformers.LlamaForCausalLM, llama),
        ("neox", transformers.GPTNeoXForCausalLM, neox),
        ("opt", transformers.OPTForCausalLM, opt),
    ]


@pytest.mark.parametrize("name, kind, config", families(), ids=lambda each: str(each)[:5])
def test_the_last_layer_reads_what_the_model_itself_says(name, kind, config):
    torch.manual_seed(2)
    model, ids = kind(config).eval(), sequences(10) % (VOCABULARY - 1) + 1
    ds = read(model, [{"input_ids": ids}])
    with torch.no_grad():
        own = by_hand(model(input_ids=ids).logits, ids).mean()
    assert float(ds["next_token_loss"][-1]) == pytest.approx(float(own), rel=1e-5)
    assert np.isfinite(ds["next_token_gain"]).all()


def masked():
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=LENGTH,
    )  # fmt: skip
    torch.manual_seed(0)
    return transformers.BertForMaskedLM(config).eval()


def capped():
    config = transformers.Gemma2Config(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, intermediate_size=32, final_logit_softcapping=0.01,
        **ENDS,
    )  # fmt: skip
    torch.manual_seed(0)
    return transformers.Gemma2ForCausalLM(config).eval()


@pytest.mark.parametrize(
    "model, options, sentence",
    [
        (HomeMade, {}, "it has no head to read its layers through: pass head, a function"),
        (masked, {}, "it is no model of the next token: what it makes of a token depends on"),
        (capped, {}, "the logits that it returns are not what its head puts out: pass head"),
        (
            lambda: nn.Sequential(nn.Linear(LENGTH, 4), nn.ReLU()),
            {"cast": True},
            "it is given no tokens, whole numbers",
        ),
        (gpt2, {"head": lambda h: h}, r"head must make logits .* for more than 29 tokens"),
        (gpt2, {"head": 3}, "head must be a function to logits, and it is a int"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(model, options, sentence):
    options = dict(options)
    ids = sequences(10)
    batch = ids.float() if options.pop("cast", False) else ids
    with pytest.raises(ValueError, match=sentence) as error:
        read(model(), [batch], **options)
    assert "\n" not in str(error.value)


def test_where_it_was_not_asked_for_it_is_left_out_and_that_is_said():
    ids = sequences(20)
    ds = lp.diagnose(HomeMade(), [ids], progress=False)
    assert "next_token_loss" not in ds and "next_token" not in ds.attrs["parameters"]
    said = " ".join(lp.diagnosis.summary(ds))
    assert "What each layer adds to the prediction of the next token is not told: it has no" in said
    plain = lp.diagnose(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), [torch.randn(40, 4)])
    assert "next token" not in " ".join(lp.diagnosis.summary(plain))
    with pytest.raises(ValueError, match="head is given, and measures has no 'next_token'"):
        lp.diagnose(HomeMade(), [ids], measures=["steps"], head=lambda h: h)
