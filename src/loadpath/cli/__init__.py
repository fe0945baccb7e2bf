"""The command line: parse, call, write, and leave with an exit code.

What parses loads nothing heavy: help, the version and a wrong option answer at once. Only a command
that is to run loads the module of its name, and with it torch. This door itself loads next to
nothing, so that an interrupt while all the rest is loaded finds somebody to answer it.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

from loadpath.cli.start import Interrupts, be_quiet, end_line, forgiving_streams, lost

NOT_TO_BE_READ = 3
"""Exit code of a command that wrote everything, about a run that has collapsed or diverged."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words of the command line; those of the process if left out.

    Returns
    -------
    int
        The exit code: 0; 2 for bad input, which is said in one sentence; 3 if all was written but
        the run may not be read, which is said first; 130 if interrupted, 143 by SIGTERM; 1 if all
        went well but what was printed could not be written.
    """
    with Interrupts(own=arguments is None) as interrupts:
        with forgiving_streams() as out:
            code = _run(sys.argv[1:] if arguments is None else arguments, interrupts)
            reason = lost(out)
            if reason:
                print(
                    f"loadpath: what was printed is lost ({reason}); what was saved is whole.",
                    file=sys.stderr,
                )
        interrupts.code = code or int(bool(reason))
    return interrupts.code


def _run(arguments: Sequence[str], interrupts: Interrupts) -> int:
    """Run the command line, and return its exit code."""
    loudness = {"quiet": False, "verbose": False}
    try:
        from loadpath.cli.options import COMMANDS, parse, with_homes

        command, values, loudness = parse(arguments)
        interrupts.name = f"loadpath {command}"
        options = COMMANDS[command](**with_homes(values))
        if loudness["quiet"]:
            be_quiet()
        if loudness["verbose"]:
            for name, value in vars(options).items():
                print(f"{interrupts.name}: {name} = {value!r}", file=sys.stderr)
        module = importlib.import_module(f"loadpath.cli.{command.replace('-', '_')}")
        from loadpath.cli.folders import held, what_is_kept

        interrupts.kept = lambda: what_is_kept(command, options)
        interrupts.running = True
        with held(command, options):
            readable = module.run(options)
    except (ValueError, OSError) as error:
        if loudness["verbose"]:
            traceback.print_exc()
        words = " ".join([str(error), *getattr(error, "__notes__", ())])
        print(f"{interrupts.name}: {words}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        end_line()
        print(interrupts.sentence(), file=sys.stderr)
        return interrupts.exit_code()
    finally:
        interrupts.running = False
    if readable in (True, None):
        return 0
    if loudness["quiet"]:  # of what was said of it nothing was printed
        print(f"{interrupts.name}: this run must not be read; its page says why.", file=sys.stderr)
    return NOT_TO_BE_READ
