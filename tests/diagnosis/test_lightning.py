"""The monitor as Lightning's callback, in real trainers; what their loggers wrote is read back."""

import copy
import csv
import math
import pickle
import subprocess
import sys
import warnings

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from exact_paths import random
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import loadpath as lp
from loadpath.diagnosis.lightning import MonitorCallback
from loadpath.diagnosis.monitor.alarms import CollapseWarning
from loadpath.diagnosis.monitor.monitor import Monitor

# Lightning advises on workers, sanitizes names and more; only our own warnings are of interest.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::loadpath.diagnosis.monitor.alarms.CollapseWarning"),
]

MEASURED = (
    "log_separation", "load", "stable_rank", "participation_ratio", "relative_step", "growth",
    "spread", "dead",
)  # fmt: skip
PROBE = random(40, 6, seed=0).float(), torch.arange(40) % 4


def module(base=lightning.pytorch, *, learning_rate=0.1, breaks_at=None, seed=0):
    """A LightningModule of the given namespace that trains a small net."""

    class Classifier(base.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(seed)
            self.net = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 4))

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, batch_idx):
            if self.global_step == breaks_at:
                nn.init.constant_(self.net[0].weight, math.nan)
            x, y = batch
            return nn.functional.cross_entropy(self(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), learning_rate)

    with torch.random.fork_rng(devices=[]):
        return Classifier()


def trainer(*callbacks, base=lightning.pytorch, **options):
    settings = {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "callbacks": list(callbacks),
    }
    return base.Trainer(**settings | options)


def batches(n=48):
    """Return a loader of batches of 8 samples each."""
    x = random(n, 6, seed=1).float()
    data = TensorDataset(x, torch.arange(n) % 4)
    return DataLoader(data, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(0))


def fitted(callback, model=None, **options):
    model = module() if model is None else model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trainer(callback, **options).fit(model, batches())
    return model


def test_looks_come_by_optimizer_steps_and_see_the_module_as_it_is():
    callback = MonitorCallback(PROBE, every=4, guaranteed=0, budget=None)
    model = fitted(callback)
    history = callback.monitor.history()
    assert history["step"].values.tolist() == [0, 4, 8, 12]
    assert history["loss"].isnull().values.tolist() == [True, False, False, False]
    # There were 12 steps, so the last look is at the module that is left.
    now = Monitor(model, PROBE).history()
    for name in MEASURED:
        last, first = history[name].isel(look=-1).values, now[name].isel(look=0).values
        assert last.tolist() == pytest.approx(first.tolist(), nan_ok=True)


def test_gradient_accumulation_is_counted_by_optimizer_steps():
    callback = MonitorCallback(PROBE, every=2, guaranteed=0, budget=None)
    fitted(callback, accumulate_grad_batches=3)
    assert callback.monitor.history()["step"].values.tolist() == [0, 2, 4]


def test_training_is_bit_for_bit_what_it_is_without():
    plain = module()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trainer().fit(plain, batches())
    monitored = fitted(MonitorCallback(PROBE, every=1, budget=None))
    for before, after in zip(plain.parameters(), monitored.parameters(), strict=True):
        assert torch.equal(before, after)
    assert monitored.training == plain.training


def test_loggers_get_every_number(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board, table = TensorBoardLogger(tmp_path, name="tb"), CSVLogger(tmp_path, name="csv")
    callback = MonitorCallback(PROBE, every=6, guaranteed=0, budget=None)
    fitted(callback, logger=[board, table])
    history = callback.monitor.history()
    events = EventAccumulator(board.log_dir)
    events.Reload()
    names = [name for name in events.Tags()["scalars"] if name.startswith("loadpath")]
    expected = int(sum(history[name].isel(look=0).notnull().sum() for name in MEASURED)) + 2
    assert len(names) == expected  # the concavity and the number of alarms besides
    ranks = history["stable_rank"].sel(layer="net.0").values
    found = events.Scalars("loadpath_stable_rank/net.0")
    assert [event.step for event in found] == [0, 6, 12]
    assert [event.value for event in found] == pytest.approx(ranks, rel=1e-6)
    with open(f"{table.log_dir}/metrics.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["loadpath_stable_rank/net.0"]]
    assert [int(row["step"]) for row in rows] == [0, 6, 12]
    assert [float(row["loadpath_stable_rank/net.0"]) for row in rows] == pytest.approx(ranks)


def test_a_part_of_the_module_can_be_measured_alone():
    callback = MonitorCallback(PROBE, module="net", layers="?", every=5, guaranteed=0)
    fitted(callback)
    assert callback.monitor.history()["layer"].values.tolist() == ["input", "0", "1", "2", "3"]


def digits(learning_rate):
    """A LightningModule that learns the digits, or collapses where the rate is too high."""

    class Digits(lightning.pytorch.LightningModule):
        def __init__(self):
            super().__init__()
            layers = nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
            self.net = nn.Sequential(*layers)

        def training_step(self, batch, batch_idx):
            x, y = batch
            return nn.functional.cross_entropy(self.net(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), learning_rate)

    data = lp.data.digits()
    loader = DataLoader(TensorDataset(data.x_train.float(), data.y_train), batch_size=64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Digits(), loader, (data.x_test[:200].float(), data.y_test[:200])


def test_training_that_is_well_runs_to_its_end_and_stops_at_a_collapse():
    """EarlyStopping on the alarms has a patience of 3, and stopped at epoch 4 of 12 without any."""
    model, loader, probe = digits(0.05)
    callback = MonitorCallback(probe, module="net", stop_on_alarm=True)
    running = trainer(callback, max_epochs=12)
    running.fit(model, loader)
    assert callback.monitor.alarms == [] and not callback.monitor.should_stop
    assert running.current_epoch == 12 and running.global_step == 12 * len(loader)
    # There was something to learn, and it was looked at from start to end.
    history = callback.monitor.history()
    assert float(history["loss"][-1]) < 0.5 < 2.0 < float(history["loss"][1])
    assert history["step"].values[-1] == running.global_step and history.sizes["look"] >= 12

    model, loader, probe = digits(3.0)
    callback = MonitorCallback(probe, module="net", stop_on_alarm=True)
    running = trainer(callback, max_epochs=12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        running.fit(model, loader)
        told = callback.monitor.alarms
        assert told and callback.monitor.should_stop
        # The trainer has min_epochs=1 by default, and stops at the step of the alarm after that.
        assert running.global_step == max(told[0].step, len(loader)) < 12 * len(loader)
        assert float(running.callback_metrics["loadpath/alarms"]) == len(told)

        # A fit that goes on in spite of that stops for nothing that was told before.
        again = trainer(callback, max_epochs=2)
        again.fit(model, loader)
        assert again.global_step == 2 * len(loader) or len(callback.monitor.alarms) > len(told)

        # Without the flag nothing is stopped.
        model, loader, probe = digits(3.0)
        quiet = trainer(MonitorCallback(probe, module="net"), max_epochs=2)
        quiet.fit(model, loader)
        assert quiet.global_step == 2 * len(loader)


def test_all_processes_stop_at_once():
    class Strategy:
        def broadcast(self, stop):
            sent.append(stop)
            return True  # what the first process has said

    class Second:
        is_global_zero, world_size, should_stop, strategy = False, 2, False, Strategy()

    sent = []
    callback = MonitorCallback(PROBE, stop_on_alarm=True)
    callback.on_train_start(Second(), module())
    running = Second()
    callback.on_train_batch_end(running, module(), None, None, 0)
    assert running.should_stop is True and sent == [False]
    callback.on_train_end(running, module())  # has no monitor, and does not mind
    running = Second()
    MonitorCallback(PROBE).on_train_batch_end(running, module(), None, None, 0)
    assert running.should_stop is False and sent == [False]


@pytest.mark.parametrize("base", [lightning.pytorch, pytorch_lightning])
@pytest.mark.parametrize(
    "options, last_step",
    [
        ({"max_epochs": 11}, 66),
        ({"max_epochs": 11, "accumulate_grad_batches": 2}, 33),
        ({"max_epochs": 100, "max_steps": 44}, 44),
        ({"max_epochs": -1, "max_steps": 44}, 44),
        ({"max_epochs": 4, "max_time": {"hours": 1}}, None),
        ({"max_epochs": 4, "stopping": True}, None),
    ],
)
def test_guaranteed_looks_are_spread_over_what_the_trainer_will_do(base, options, last_step):
    callback = MonitorCallback(PROBE)
    others = []
    if options.get("stopping"):
        metric = {"check_on_train_epoch_end": True, "patience": 99}
        others = [base.callbacks.EarlyStopping("loadpath/alarms", **metric)]
    options = {name: value for name, value in options.items() if name != "stopping"}
    with torch.random.fork_rng(devices=[]):
        trainer(callback, *others, base=base, **options).fit(module(base), batches())
    history = callback.monitor.history()
    assert history.attrs.get("last_step") == last_step
    expected = [*range(11), 20, 24]
    if last_step is not None:
        expected = [part * last_step // 11 for part in range(12)]
    assert history["step"].values.tolist() == expected


def test_a_second_fit_has_guaranteed_looks_of_its_own():
    callback, model = MonitorCallback(PROBE), module()
    with torch.random.fork_rng(devices=[]):
        trainer(callback, max_steps=22, max_epochs=-1).fit(model, batches())
        trainer(callback, max_steps=33, max_epochs=-1).fit(model, batches())
    first, second = [2 * part for part in range(12)], [22 + 3 * part for part in range(1, 12)]
    assert callback.monitor.history()["step"].values.tolist() == first + second


def test_a_resumed_fit_has_the_guaranteed_looks_that_were_to_come(tmp_path):
    whole, first, resumed = (MonitorCallback(PROBE) for _ in range(3))
    weighted(whole, tmp_path, 33)
    callbacks = first, StopAt(14)
    stopped = trainer(*callbacks, max_epochs=-1, max_steps=33, default_root_dir=tmp_path)
    stopped.fit(module(), batches())
    assert stopped.global_step == 14
    stopped.save_checkpoint(tmp_path / "half.ckpt")
    weighted(resumed, tmp_path, 33, ckpt_path=tmp_path / "half.ckpt")
    steps = whole.monitor.history()["step"].values.tolist()
    assert steps == list(range(0, 34, 3))
    # The fit that was stopped had a look at its own end, which does for the one at step 15.
    assert first.monitor.history()["step"].values.tolist() == [0, 3, 6, 9, 12, 14]
    found = resumed.monitor.history()["step"].values.tolist()
    assert found == [step if step != 15 else 14 for step in steps]


class StopAt(lightning.pytorch.Callback):
    """Stop a fit at a step, as an interrupt does."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = trainer.global_step >= self.step


def test_on_collapse_may_stop_training_at_once():
    class EnoughError(Exception):
        pass

    def stop(alarm):
        raise EnoughError(alarm.layer)

    callback = MonitorCallback(PROBE, every=1, budget=None, on_collapse=stop)
    with pytest.warns(CollapseWarning), pytest.raises(EnoughError):
        fitted(callback, module(breaks_at=3))
    assert callback.monitor.history()["step"].values[-1] == 4


def test_a_resumed_run_counts_on(tmp_path):
    callback = MonitorCallback(PROBE, every=4, guaranteed=0, budget=None)
    model = module()
    first = trainer(callback, max_epochs=1)
    first.fit(model, batches())
    first.save_checkpoint(tmp_path / "half.ckpt")
    again = MonitorCallback(PROBE, every=4, guaranteed=0, budget=None)
    trainer(again).fit(model, batches(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert callback.monitor.history()["step"].values.tolist() == [0, 4, 6]
    assert again.monitor.history()["step"].values.tolist() == [0, 4, 6, 8, 12]


@pytest.mark.parametrize("precision", ["bf16-true", "64-true", "bf16-mixed"])
def test_inputs_are_cast_as_the_trainer_does(precision):
    callback = MonitorCallback(PROBE, every=5, guaranteed=0, budget=None)
    model = fitted(callback, precision=precision)
    assert callback.monitor.history()["step"].values.tolist() == [0, 5, 10, 12]
    dtype = next(model.parameters()).dtype
    assert (dtype == torch.bfloat16) == (precision == "bf16-true")


def test_the_older_namespace_of_lightning_will_do():
    callback = MonitorCallback(PROBE, every=5, guaranteed=0, budget=None)
    fitted(callback, module(pytorch_lightning), base=pytorch_lightning)
    assert callback.monitor.history()["step"].values.tolist() == [0, 5, 10, 12]


def test_only_the_first_process_measures():
    class Second:
        is_global_zero = False

    callback = MonitorCallback(PROBE)
    callback.on_train_start(Second(), module())
    callback.on_train_batch_end(Second(), module(), None, None, 0)
    assert callback.monitor is None


def test_bad_arguments_are_refused_in_a_sentence():
    for name, value in (("log", print), ("first_step", 3), ("last_step", 9), ("state", {})):
        with pytest.raises(ValueError, match=f"{name} must not be passed: it is the trainer's"):
            MonitorCallback(PROBE, **{name: value})
    with pytest.raises(ValueError, match="stop_on_alarm must be True or False, got 1"):
        MonitorCallback(PROBE, stop_on_alarm=1)
    with pytest.raises(TypeError, match="evry"):
        MonitorCallback(PROBE, evry=3)
    with pytest.raises(ValueError, match=r"module must be the name of a part .*\(net, and.*'nets'"):
        fitted(MonitorCallback(PROBE, module="nets"))


def test_without_lightning_one_line_says_what_to_install():
    code = (
        "import sys\n"
        "sys.modules['lightning'] = sys.modules['lightning.pytorch'] = None\n"
        "sys.modules['pytorch_lightning'] = None\n"
        "try:\n"
        "    import loadpath.diagnosis.lightning\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "loadpath.diagnosis.lightning needs Lightning: pip install 'loadpath[lightning]'.\n"
    )


def weighted(callback, folder, steps, **options):
    """Fit for some steps and return the trainer; its checkpoint is in the folder."""
    made = trainer(callback, max_epochs=-1, max_steps=steps, default_root_dir=folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made.fit(module(), batches(), **options)
    return made


def test_a_resumed_fit_goes_on_with_what_the_checkpoint_has(tmp_path):
    """Lightning 147 and 1463: a callback that forgets compares with the wrong start."""
    whole = MonitorCallback(PROBE, every=2, guaranteed=0, budget=None)
    weighted(whole, tmp_path, 8)
    first = MonitorCallback(PROBE, every=2, guaranteed=0, budget=None)
    weighted(first, tmp_path, 5).save_checkpoint(tmp_path / "half.ckpt")
    resumed = MonitorCallback(PROBE, every=2, guaranteed=0, budget=None)
    weighted(resumed, tmp_path, 8, ckpt_path=tmp_path / "half.ckpt")
    history, said = resumed.monitor.history(), whole.monitor.history()
    assert said["step"].values.tolist() == [0, 2, 4, 6, 8]
    # At 5 there is the end of the first fit; the cadence is what it was.
    assert history["step"].values.tolist() == [0, 2, 4, 5, 6, 8]
    # The first looks are those of the first fit, to the last bit.
    for name in MEASURED:
        assert history[name].isel(look=slice(3)).equals(said[name].isel(look=slice(3)))


def test_a_second_fit_adds_to_the_first(tmp_path):
    callback = MonitorCallback(PROBE, every=2, guaranteed=0, budget=None)
    logger = CSVLogger(tmp_path)
    model = module()
    trainer(callback, max_steps=4, max_epochs=-1).fit(model, batches())
    stop = EarlyStopping("loadpath/alarms", divergence_threshold=0.5, check_on_train_epoch_end=True)
    second = trainer(callback, stop, max_steps=6, max_epochs=-1, logger=logger)
    second.fit(model, batches())  # a trainer that counts from 0 again
    assert callback.monitor.history()["step"].values.tolist() == [0, 2, 4, 6, 8, 10]
    with open(logger.log_dir + "/metrics.csv") as file:
        # Steps as the trainer counts them.
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2, 4, 6]
    second.fit_loop.epoch_loop.max_steps = 8
    second.fit(model, batches())  # and one that goes on counting
    assert callback.monitor.history()["step"].values.tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_a_callback_can_be_pickled_and_copied_with_what_it_has_seen():
    callback = MonitorCallback(PROBE, every=2, guaranteed=0, budget=None)
    model = module()
    trainer(callback, max_steps=4, max_epochs=-1).fit(model, batches())
    for other in (pickle.loads(pickle.dumps(callback.monitor._log)), copy.deepcopy(callback)):
        if isinstance(other, MonitorCallback):
            trainer(other, max_steps=2, max_epochs=-1).fit(model, batches())
            assert other.monitor.history()["step"].values.tolist() == [0, 2, 4, 6]
    assert callback.monitor.history()["step"].values.tolist() == [0, 2, 4]


def test_two_callbacks_for_two_parts_have_two_states():
    whole, part = MonitorCallback(PROBE), MonitorCallback(PROBE, module="net")
    assert whole.state_key != part.state_key
    assert whole.state_dict() == {"monitor": None}
    trainer(whole, part, max_steps=2, max_epochs=-1).fit(module(), batches())
    assert whole.state_dict()["monitor"]["layers"] != part.state_dict()["monitor"]["layers"]
