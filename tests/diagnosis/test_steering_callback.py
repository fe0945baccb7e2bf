"""Steering as Lightning's callback, in real trainers."""

import lightning.pytorch
import numpy as np
import pytest
import torch
from torch import nn

from loadpath.diagnosis import Steer, SteerCallback
from tests.diagnosis.test_lightning import batches, trainer

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning advises on workers and more

Y = torch.arange(60) % 4
PROBE = (
    torch.randn(60, 6, generator=torch.Generator().manual_seed(0)) + nn.functional.one_hot(Y, 6),
    Y,
)


def module(seed=0):
    class Classifier(lightning.pytorch.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(seed)
            parts = [p for _ in range(3) for p in (nn.Linear(6, 6), nn.Tanh(), nn.Dropout(0.2))]
            self.net = nn.Sequential(*parts, nn.Linear(6, 4))

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, batch_idx):
            x, y = batch
            return nn.functional.cross_entropy(self(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    with torch.random.fork_rng(devices=[]):
        return Classifier()


def test_it_steers_as_a_plain_loop_does():
    callback, model = SteerCallback(PROBE, module="net", every=3, gain=0.5), module()
    trainer(callback).fit(model, batches())  # 2 epochs of 6 batches
    steps = callback.steer.history()["step"].values.tolist()
    assert steps == [3, 6, 9, 12]
    rates = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    assert rates == {callback.steer.values["dropout"]} and rates != {0.2}

    # The model is as it was at the last look, and Dropout does nothing in evaluation mode.
    steer = Steer(model.net, PROBE)
    steer.step()
    seen = [each.history()["concavity"].values[-1] for each in (steer, callback.steer)]
    assert seen[0] == pytest.approx(seen[1], abs=1e-6)


def test_a_fit_from_a_checkpoint_goes_on_with_its_record_and_its_rate(tmp_path):
    options = {"module": "net", "every": 3, "gain": 0.5}
    first, model = SteerCallback(PROBE, **options), module()
    fitted = trainer(first, max_epochs=1, enable_checkpointing=True, default_root_dir=tmp_path)
    fitted.fit(model, batches())
    fitted.save_checkpoint(tmp_path / "at.ckpt")
    second, again = SteerCallback(PROBE, **options), module(seed=1)
    trainer(second, max_epochs=2).fit(again, batches(), ckpt_path=tmp_path / "at.ckpt")
    assert second.steer.history()["step"].values.tolist() == [3, 6, 9, 12]
    np.testing.assert_array_equal(
        second.steer.history()["value"].values[:2], first.steer.history()["value"].values
    )


def test_what_cannot_be_passed_is_refused_when_it_is():
    with pytest.raises(ValueError, match="state must not be passed"):
        SteerCallback(PROBE, state={})
    with pytest.raises(TypeError, match="unexpected keyword"):
        Steer(module().net, PROBE, colour="red")
    with pytest.raises(ValueError, match="module must be the name of a part"):
        trainer(SteerCallback(PROBE, module="body")).fit(module(), batches())
