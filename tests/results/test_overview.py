"""Results show themselves briefly in a terminal, and safely and legibly in a notebook."""

import dataclasses
import html.parser
import inspect
import pkgutil
import re

import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.results import Overview, Shown, Table

LONGEST = 600
"""Characters of a line in a terminal, some of which wrap: `Data` had 33,181."""


class Reader(html.parser.HTMLParser):
    """Reads a page: texts in order, tags that are open, and attributes that lead elsewhere."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.open, self.tags, self.leads = [], [], set(), []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.leads += [name for name, _ in attrs if name not in ("style", "scope")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@dataclasses.dataclass(frozen=True, repr=False)
class Result(Shown):
    values: torch.Tensor
    share: float
    names: tuple = ()


@dataclasses.dataclass(frozen=True, repr=False)
class Evil(Shown):
    text: str

    def _overview(self):
        table = Table((self.text, "b"), [(self.text, self.text)] * 100)
        return Overview({self.text: self.text}, self.text, [self.text], {self.text: table})


def test_a_result_is_shown_by_its_fields_and_arrays_by_their_shapes():
    result = Result(torch.zeros(300, 4), 1 / 3, tuple("abcdefgh" * 9))
    assert repr(result) == (
        "Result(values: Tensor of shape (300, 4) and torch.float32; share: 0.3333; "
        "names: ('a', 'b', 'c', 'd', 'e', 'f', ...))"
    )
    texts = Reader(result._repr_html_()).texts
    assert texts[:3] == ["Result", "values", "Tensor of shape (300, 4) and torch.float32"]


def test_text_is_escaped_wherever_it_stands():
    evil = "<script src='http://example.org'>alert(1)</script>&amp;\"'"
    page = Reader(Evil(evil)._repr_html_())
    assert page.open == [] and page.leads == []
    assert page.tags <= {"div", "strong", "table", "tr", "th", "td", "ul", "li", "details"} | {
        "summary"
    }
    assert page.texts.count(evil) == 2 + 1 + 1 + 1 + 120  # fact, sentence, heading, column, cells
    assert evil in "".join(page.texts) and "and 40 more" in page.texts


def shown_results():
    """Results of all kinds that people keep in the cells of a notebook."""
    data = lp.data.teacher(dims=(4, 2, 4), n_train=60, n_test=20, seed=0)
    kind = dict(width=8, depth=4, effective_depth=2.0)
    net = lp.LeakyResNet(4, 4, dtype=torch.float64, **kind)
    run = lp.fit(net, data, stages=[lp.training.Adam(20)], threads=1)
    geodesic = lp.geodesic.solve(
        data.x_train, data.y_train, weight_decay=0.1, max_seconds=1, threads=1, **kind
    )
    curve = lp.separation.LoadCurve([4.0, 2.5, 1.0, 0.0], "fuzziness")
    chain = lp.spring_block.Chain(n_blocks=7, friction_right=0.1, friction_left=0.13)
    fit = lp.spring_block.fit(lp.spring_block.rest_state(chain))
    model = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4)) for _ in range(5)))
    ds = lp.diagnose(model, [data.x_train.float()], measures=["steps"])
    skipped = lp.diagnosis.skip_layers(model, [data.x_train.float()])
    verdict = lp.diagnosis.verdict(ds, skipped)
    return [data, run, geodesic, geodesic.certificate, curve, fit, verdict, verdict.movement]


@pytest.fixture(scope="module")
def results():
    return {type(each).__name__: each for each in shown_results()}


def test_results_are_short_in_a_terminal_and_whole_in_a_notebook(results):
    for name, result in results.items():
        said, page = repr(result), Reader(result._repr_html_())
        assert said.startswith(f"{name}(") and "\n" not in said and len(said) < LONGEST
        assert page.open == [] and page.leads == [] and page.texts[0] == name
        assert not re.search(r"(?<!border-)color:|background", result._repr_html_())  # the theme's
    assert "training samples: 60" in repr(results["Data"])
    assert "iterations: 20 in " in repr(results["Run"])
    assert f"objective: {results['Geodesic'].objective:.6g}" in repr(results["Geodesic"])
    for name in ("Geodesic", "Fit"):
        words = results[name].words()
        sentences = words if isinstance(words, list) else words.splitlines()
        assert set(sentences) <= set(Reader(results[name]._repr_html_()).texts)
    assert set(results["Verdict"].sentences) <= set(Reader(results["Verdict"]._repr_html_()).texts)
    curve = Reader(results["LoadCurve"]._repr_html_()).texts
    assert curve[curve.index("log separation") :][:9] == [
        *("log separation", "load", "0", "4", "1", "2.5", "1.5", "2", "1")
    ]


def test_a_run_that_must_not_be_read_says_so_first(results):
    collapsed = dataclasses.replace(results["Run"], status=lp.results.Status.TRIVIAL_MINIMUM)
    assert repr(collapsed).startswith("Run(not to be read: its weights have collapsed")
    texts = Reader(collapsed._repr_html_()).texts
    assert not any("Hamiltonian" in each for each in texts)  # of no path that says anything
    assert "spread of the Hamiltonian" in Reader(results["Run"]._repr_html_()).texts
    assert texts[1] == "Not to be read:" and "collapsed" in texts[2]


def test_a_net_is_printed_with_its_sizes():
    net = lp.LeakyResNet(5, 2, width=16, depth=8, effective_depth=3.0, step="exponential")
    assert repr(net) == (
        "LeakyResNet(5, 2, width=16, depth=8, effective_depth=3, step='exponential', "
        "activation='relu', bias=True)"
    )
    assert "width=16, depth=8" in repr(nn.Sequential(net))


def public_dataclasses():
    """Dataclasses that users get, with fields that hold arrays or other results."""
    doors, seen, found = [lp], {lp}, set()
    for door in doors:
        for name in door.__all__:
            thing = getattr(door, name)
            if inspect.ismodule(thing) and thing not in seen:
                seen.add(thing)
                doors.append(thing)
            elif inspect.isclass(thing) and dataclasses.is_dataclass(thing):
                found.add(f"{thing.__module__}.{thing.__qualname__}")
    return sorted(found)


ARRAYS = re.compile(r"^(?!Callable).*(Tensor|Array|ndarray|Dataset)")


def test_no_public_result_prints_all_of_its_numbers():
    things = [pkgutil.resolve_name(path) for path in public_dataclasses()]
    holding = [
        each
        for each in things
        if any(ARRAYS.search(str(f.type)) and f.repr for f in dataclasses.fields(each))
    ]
    assert lp.data.Data in holding and lp.training.Run in holding
    loud = [each.__name__ for each in holding if each.__repr__ is not Shown.__repr__]
    assert loud == []


def test_numbers_of_a_fit_that_are_not_known_are_said_so(results):
    assert np.isnan(results["Fit"].p_value)
    assert "p-value: not known" in repr(results["Fit"])
