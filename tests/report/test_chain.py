"""The page about chains takes any sequences, and names what it cannot draw."""

import pytest

import loadpath as lp
from loadpath import report


@pytest.fixture(scope="module")
def chain():
    chain = lp.spring_block.Chain(n_blocks=2, friction_right=0.1)
    return lp.spring_block.simulate(chain, noise=0.0, n_steps=100, seed=0)


def write(path, chains):
    return report.write_chain(path, [], chains, title="a", words=["b"], config={})


def test_chains_may_come_one_after_the_other(tmp_path, chain):
    page = write(tmp_path / "a.html", (each for each in (chain, chain.assign_attrs(label="b"))))
    assert "Load curves at the end" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda ds: ds.drop_vars("load"), r"^chains lacks the variables \['load'\]"),
        (lambda ds: ds.drop_vars("time"), "^chains must have labels along 'time'"),
        (lambda ds: ds.rename(block="other"), "^chains must have the variable 'position' over"),
    ],
)
def test_what_is_no_chain_is_named(tmp_path, chain, change, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a.html", [change(chain)])
    assert not list(tmp_path.iterdir())


def test_no_chain_is_refused(tmp_path):
    with pytest.raises(ValueError, match="chains must hold at least one chain, got 0"):
        write(tmp_path / "a.html", [])
