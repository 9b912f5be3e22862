"""The command line: `wayfare studies | run | record | verify | report | memory | stream | train | compare`.

A refusal is one line on standard error that names the field, its value and what is allowed; it exits with 2 and nothing
is written.

studies         the commands of studies
memory          the verbs of a memory                  memory_options   what each verb takes
memory_answers  what all its verbs do                  memory_install   what an administrator of PostgreSQL does
memory_upkeep   what whoever looks after a memory does
memory_demo     a memory that learns, in a minute      memory_mcp       a memory for an MCP client
memory_mem0     what mem0 has kept                     plot             a curve in the terminal, and as SVG
stream          a memory class on streams of tasks
train           a language model, by reinforcement, from one file
compare         a bonus, budget or regulariser beside the cheap controls
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import wayfare
from wayfare.cli.studies import COMMANDS
from wayfare.errors import BadValue, CellFailed, WayfareError
from wayfare.flags import nearest

__all__ = ["main"]

USAGE = """usage: wayfare COMMAND ...

  wayfare studies [--json]      every study: paper, claim, verdict, cost
  wayfare run SLUG ...          run a study: table of checks, figures, report (wayfare run SLUG --help lists its knobs)
  wayfare record RUN_DIR        keep a laptop or full run in results/
  wayfare verify SLUG           run a recorded study again and name each verdict that flips
  wayfare report                the site over all recorded results
  wayfare memory VERB ...       remember, recall, credit, evaluate, ...: a memory in a file (wayfare memory lists them)
  wayfare stream ...            a memory class of yours beside the shipped ones, on streams of tasks
  wayfare train FILE            reinforce a language model as a file says: model, prompts, rewards, parts of yours
  wayfare compare ...           a bonus, budget or regulariser of yours beside plain GRPO and the cheap controls
  wayfare --version
"""
LONGEST = 2_000
"""Characters of a refusal; a value that was pasted by mistake does not fill the screen."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of `wayfare ARGUMENTS`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except CellFailed as error:
        return _refuse(error, 1)
    except WayfareError as error:
        return _refuse(error, 2)
    except KeyboardInterrupt:
        print("\nwayfare: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def _dispatch(words: list[str]) -> int:
    commands = {**COMMANDS, "memory": _memory, "stream": _stream, "train": _train, "compare": _compare}
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if words[0] == "--version":
        print(f"wayfare {wayfare.__version__}")
        return 0
    if words[0] not in commands:
        raise BadValue("command", words[0], f"one of {', '.join(commands)}{nearest(words[0], list(commands))}")
    return commands[words[0]](words[1:])


def _memory(words: list[str]) -> int:
    from wayfare.cli.memory import memory

    return memory(words)


def _stream(words: list[str]) -> int:
    from wayfare.cli.stream import stream

    return stream(words)


def _train(words: list[str]) -> int:
    from wayfare.cli.train import train

    return train(words)


def _compare(words: list[str]) -> int:
    from wayfare.cli.compare import compare

    return compare(words)


def _refuse(error: Exception, status: int) -> int:
    said = " ".join(str(error).split())
    print(f"wayfare: {said if len(said) <= LONGEST else said[:LONGEST] + ' ...'}", file=sys.stderr)
    return status
