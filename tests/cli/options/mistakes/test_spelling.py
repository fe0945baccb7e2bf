"""Names are spelt out, slips are named, and what is wrong is said in the user's terms."""

import dataclasses

import pytest

from loadpath import cli
from loadpath.cli import train as train_module
from loadpath.cli.options import COMMANDS, FLAGS, SWITCHES, parse
from loadpath.cli.options.mistakes.complaints import example


@pytest.mark.parametrize("command", COMMANDS)
def test_no_part_of_a_name_stands_for_it(command):
    known = [f.name for f in dataclasses.fields(COMMANDS[command])]
    for name in [*known, "config", "print_config", "help", "quiet", "verbose"]:
        for part in {name[:-1], name[: len(name) // 2 + 1]} - {*known}:
            for word in (f"--{part}", f"--{part}=5", f"--{part.replace('_', '-')}"):
                with pytest.raises(ValueError, match="has no option"):
                    parse([command, *(["x"] if command != "train" else []), word, "5"])


@pytest.mark.parametrize(
    "words, said",
    [
        ("train --effective-dept 5", "has no option --effective_dept (did you mean --effective_"),
        ("train --widht=3", "loadpath train has no option --widht (did you mean --width?);"),
        ("train --zzz 3", "loadpath train has no option --zzz; loadpath train --help"),
        ("trian", "there is no command 'trian' (did you mean train?)"),
        ("phase_diagram", "there is no command 'phase_diagram' (did you mean phase-diagram?)"),
        ("--vers", "loadpath has no option --vers (did you mean --version?)"),
        ("-q trian", "(did you mean train?)"),
        ("train --dims 3", "--dims must be whole numbers in brackets, got '3'; for example --dims"),
        ("train --dims 3 4", "--dims must be whole numbers in brackets, got '3'; for example"),
        ("train --effective_depth deep", "--effective_depth must be a number, got 'deep'; for ex"),
        ("train --max_seconds soon", "--max_seconds must be a number or null, got 'soon'; for ex"),
        ("train --maps flat", "--maps must be one of orthonormal, learned, got 'flat'; for exam"),
        (
            "train --bias maybe",
            "--bias must be true or false, got 'maybe'; for example --bias true",
        ),
        ("train --width", "--width needs a value, a whole number; for example --width 100."),
        ("train --resume=5", "--resume takes no value, got '5'."),
        ("train extra", "loadpath train knows nothing to do with 'extra'"),
        (
            "surgery my:load --drop 1 --ways [drop,foo]",
            "--ways must be some of drop, merge, linear, convolution in brackets or one of drop, "
            "merge, linear, convolution, got [drop, foo]; for example --ways drop",
        ),
        ("phase-diagram --slopes 1", "--slopes must be numbers in brackets or null, got '1'"),
        ("figures", "loadpath figures needs figure; for example loadpath figures 1a."),
        ("report", "loadpath report needs run_folder; for example loadpath report run."),
        ("diagnose", "loadpath diagnose needs entry; for example loadpath diagnose my_model:load."),
        ("train --config none.yaml", "--config must name a file of options, and there is no '"),
        ("train -q -v", "quiet and verbose exclude each other, got both."),
    ],
)
def test_slips_are_said_in_the_terms_of_the_user(words, said, refusal):
    answer = refusal(*words.split())
    assert said in answer
    assert "<class" not in answer and "typing" not in answer and "subtypes" not in answer


def test_a_slip_in_a_config_file_is_named(tmp_path, refusal):
    (tmp_path / "some.yaml").write_text("widht: 3\n")
    answer = refusal("train", "--config", tmp_path / "some.yaml")
    assert "loadpath train has no option 'widht' (did you mean width?)." in answer


NEEDED = {
    "figures": ["1a"],
    "report": ["run"],
    "diagnose": ["a:b"],
    "laws": ["a:b"],
    "surgery": ["a:b"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_taken(command):
    named = [
        f for f in dataclasses.fields(COMMANDS[command]) if f.default is not dataclasses.MISSING
    ]
    words = [example(f.name, COMMANDS[command]).split() for f in named if f.type != "bool"]
    flags = {*FLAGS, *SWITCHES}
    words = [pair for pair in words if pair[0][2:] not in flags]
    parse([command, *NEEDED.get(command, []), *(word for pair in words for word in pair)])


def test_quiet_prints_nothing_and_verbose_says_what_is_at_work(monkeypatch, capsys):
    outcomes = {"first": True, "second": False}

    def run(options):
        print("progress")
        if options.out not in outcomes:
            raise ValueError("nothing of that name.")
        return outcomes[options.out]

    monkeypatch.setattr(train_module, "run", run)
    assert cli.main(["-q", "train", "--out", "first"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["train", "--out", "second"]) == 3
    assert capsys.readouterr() == ("progress\n", "")
    assert cli.main(["train", "--quiet", "--out", "second"]) == 3
    assert capsys.readouterr() == (
        "",
        "loadpath train: this run must not be read; its page says why.\n",
    )
    assert cli.main(["train", "-q", "--out", "third"]) == 2
    assert capsys.readouterr() == ("", "loadpath train: nothing of that name.\n")
    assert cli.main(["train", "-v", "--out", "third"]) == 2
    said = capsys.readouterr().err
    assert "loadpath train: width = 100\n" in said and "in run" in said
