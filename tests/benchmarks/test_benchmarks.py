"""Benchmarks are run by hand and rarely: the names that they import are looked up here, and the
problems of the geodesic benchmark are made."""

import ast
import dataclasses
import importlib
from pathlib import Path

import geodesic_problems
import pytest

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_all_that_a_benchmark_takes_from_the_library_is_there(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "loadpath":
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                if not hasattr(module, name):
                    importlib.import_module(f"{node.module}.{name}")


def test_the_geodesic_problems_can_be_made_whole_and_smaller():
    teacher, _, digits = geodesic_problems.PROBLEMS
    assert digits.data().x_train.shape == (1437, 64)
    for problem in (teacher, digits):
        small = dataclasses.replace(problem, width=10, n_train=50, seed=1)
        assert small.data().x_train.shape == (50, small.net().in_features)
        assert small.net().weights.shape == (geodesic_problems.DEPTH, 10, 11)
