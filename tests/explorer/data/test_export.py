"""What the explorer's pages carry is what docs/data holds now, thinned and no more."""

import base64
import json

import numpy as np
import pytest

from explorer.data import export
from loadpath import results

PANELS = json.loads((export.HERE / "phase_diagrams.json").read_text())
PATHS = json.loads((export.HERE / "geodesics.json").read_text())


def as_kept(part):
    """A part of an export as the file has it."""
    return json.loads(json.dumps(part))


@pytest.mark.parametrize(
    "kept, files",
    [(PANELS, export.panel_files().values()), (PATHS, export.geodesic_files())],
    ids=["panels", "geodesics"],
)
def test_what_is_kept_is_of_the_data_that_are_there(kept, files):
    stale = "explorer/data is older than docs/data: run `make explorer-data explorer`"
    assert kept["sources"] == export.digests(files), stale


def test_a_panel_is_thinned_as_it_is_kept():
    name = "digits/dropout"
    (kept,) = (p for p in PANELS["phase_diagrams"] if f"{p['data']}/{p['panel']}" == name)
    assert kept == as_kept(export.export_panel(name, results.load(export.panel_files()[name])))


def test_a_geodesic_is_thinned_as_it_is_kept():
    file = export.geodesic_files()[2]
    assert PATHS["geodesics"][2] == as_kept(export.export_geodesic(results.load(file)))


def test_all_panels_are_there_and_what_is_missing_is_left_out(tmp_path):
    names = [f"{panel['data']}/{panel['panel']}" for panel in PANELS["phase_diagrams"]]
    assert names == [f"{data}/{panel}" for data in export.DATA_SETS for panel in export.PANELS]
    (tmp_path / "digits-dropout.nc").touch()
    assert export.panel_files(tmp_path) == {"digits/dropout": tmp_path / "digits-dropout.nc"}


def test_packing_is_exact_to_half_a_step():
    values = np.random.default_rng(0).normal(size=(5, 7, 3))
    values[2, 3] = np.nan, np.inf, -np.inf
    packed = export.packed(values)
    q = np.frombuffer(base64.b64decode(packed["q"]), dtype="<u2").reshape(packed["shape"])
    known = np.isfinite(values)
    assert ((q == export.MISSING) == ~known).all()
    found = packed["low"] + packed["step"] * q[known]
    assert abs(found - values[known]).max() <= 0.5000001 * packed["step"]
    assert packed["step"] < (values[known].max() - values[known].min()) / 65000


def test_numbers_that_are_not_finite_are_none():
    assert [export.rounded(value) for value in (np.nan, np.inf, 1.23456789)] == [
        None,
        None,
        1.23457,
    ]
