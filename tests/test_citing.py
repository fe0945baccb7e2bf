"""How to cite: what stands in CITATION.cff is what is printed."""

import pytest
import yaml

import loadpath as lp
from loadpath import citing, cli

CFF = yaml.safe_load(citing.PLACES[1].read_text(encoding="utf-8"))


def test_the_file_names_this_version():
    assert CFF["version"] == lp.__version__


def test_the_software_and_both_papers_are_cited(capsys):
    lp.cite()
    said = capsys.readouterr().out
    assert said.count("@software{") == 1 and said.count("@misc{") == 2
    for number in ("2405.17573", "2407.19353"):
        assert f"eprint = {{{number}}}" in said
    for work in (CFF, *CFF["references"]):
        assert f"title = {{{{{work['title']}}}}}" in said
    assert "author = {Shi, Cheng and Pan, Liming and Dokmanić, Ivan}" in said
    assert f"version = {{{lp.__version__}}}" in said and "year = {None}" not in said


def test_the_command_line_prints_the_same(capsys):
    lp.cite()
    printed = capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        cli.main(["--cite"])
    assert left.value.code == 0 and capsys.readouterr().out == printed


def test_date_and_repository_are_taken_from_the_file_alone(tmp_path, monkeypatch):
    filled = citing.PLACES[1].read_text(encoding="utf-8")
    filled = filled.replace("# date-released: YYYY-MM-DD", "date-released: 2031-05-06")
    filled = filled.replace("# repository-code: https://...", "repository-code: https://a.org/b")
    (tmp_path / "CITATION.cff").write_text(filled, encoding="utf-8")
    monkeypatch.setattr(citing, "PLACES", (tmp_path / "CITATION.cff",))
    software = citing.bibtex().split("@misc")[0]
    assert "year = {2031}" in software and "url = {https://a.org/b}" in software


def test_a_package_without_the_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(citing, "PLACES", (tmp_path / "CITATION.cff",))
    with pytest.raises(FileNotFoundError, match="CITATION.cff"):
        citing.bibtex()
