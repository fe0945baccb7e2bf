"""Names of what is logged: sections of charts, and characters that all trackers take."""

from collections import Counter

import pytest
import torch
from torch import nn

from loadpath.diagnosis.monitor.logging import logged_name
from loadpath.diagnosis.monitor.monitor import Monitor


def section(name):
    """The section that wandb and TensorBoard put a chart into: what is before the first slash."""
    return name.split("/")[0]


def test_charts_come_in_one_section_a_measure_with_one_chart_a_layer():
    """45 charts were in one section, because all names began with "loadpath/"."""
    torch.manual_seed(0)
    blocks = nn.Sequential(*(nn.Linear(6, 6) for _ in range(4)))
    net, logged = nn.ModuleDict({"blocks": blocks, "head": nn.Linear(6, 4)}), []
    net.forward = lambda x: net["head"](net["blocks"](x))
    Monitor(net, (torch.randn(40, 6), torch.arange(40) % 4), log=logged.append)
    sections = Counter(map(section, logged[0]))
    whole = sections.pop("loadpath")
    assert whole == 3  # alarms, concavity, and the step where it is not passed
    assert {"loadpath_load", "loadpath_log_separation", "loadpath_stable_rank"} <= set(sections)
    layers = ["input", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "head"]
    for name, charts in sections.items():
        shown = [each.split("/", 1)[1] for each in logged[0] if section(each) == name]
        assert len(shown) == charts <= len(layers)
        assert shown == [layer for layer in layers if layer in shown]  # in the order of running


@pytest.mark.parametrize(
    "measure, layer, name",
    [
        ("load", "blocks.3", "loadpath_load/blocks.3"),
        ("load", "blocks.3#2", "loadpath_load/blocks.3-2"),
        ("load", "odd(name)", "loadpath_load/odd-name-"),
        ("alarms", None, "loadpath/alarms"),
    ],
)
def test_names_are_readable_and_have_no_characters_that_a_tracker_refuses(measure, layer, name):
    assert logged_name(measure, layer) == name
