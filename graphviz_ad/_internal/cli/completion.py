"""The flags of all commands -> a script that completes them in a shell: ``source <(graphviz-ad completion bash)``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping

from graphviz_ad._internal.base.errors import UnknownNameError

PROGRAM = "graphviz-ad"
Commands = Mapping[str, argparse.ArgumentParser]


def script(shell: str, commands: Commands) -> str:
    """What the shell is to run."""
    if shell not in SHELLS:
        raise UnknownNameError("shell", shell, SHELLS)
    return "\n".join(SHELLS[shell](commands)) + "\n"


def flags(command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Every flag in its long form, and what it does."""
    for action in command._actions:
        for flag in action.option_strings:
            if flag.startswith("--"):
                yield flag, action


def values(action: argparse.Action) -> str:
    """What can stand after a flag, where that is known."""
    return " ".join(map(str, getattr(action, "completed_by", None) or action.choices or ()))


def bash(commands: Commands) -> Iterator[str]:
    """A function that looks at the words so far."""
    yield "_graphviz_ad() {"
    yield '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"'
    yield f'    if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "{" ".join(commands)}" -- "$cur")); return; fi'
    yield '    case "$command $prev" in'
    for name, command in commands.items():
        for flag, action in flags(command):
            if values(action):
                yield f'        "{name} {flag}") COMPREPLY=($(compgen -W "{values(action)}" -- "$cur")); return ;;'
        positional = " ".join(values(action) for action in command._actions if not action.option_strings)
        if positional.strip():
            yield f'        "{name} {name}") COMPREPLY=($(compgen -W "{positional.strip()}" -- "$cur")); return ;;'
    yield "    esac"
    yield '    case "$command $cur" in'
    for name, command in commands.items():
        yield (
            f'        "{name} -"*) COMPREPLY=($(compgen -W "{" ".join(flag for flag, _ in flags(command))}" --'
            ' "$cur")) ;;'
        )
    yield '        *) COMPREPLY=($(compgen -f -- "$cur")) ;;'
    yield "    esac"
    yield "}"
    yield f"complete -o filenames -F _graphviz_ad {PROGRAM}"


def zsh(commands: Commands) -> Iterator[str]:
    """The same function, by zsh's own layer for it."""
    yield "autoload -U +X compinit && compinit -u"
    yield "autoload -U +X bashcompinit && bashcompinit"
    yield from bash(commands)


def fish(commands: Commands) -> Iterator[str]:
    """A line for each flag."""
    yield f"complete -c {PROGRAM} -n __fish_use_subcommand -xa {shlex.quote(' '.join(commands))}"
    for name, command in commands.items():
        for flag, action in flags(command):
            takes = f" -xa {shlex.quote(values(action))}" if values(action) else " -r" if action.nargs != 0 else ""
            said = shlex.quote((action.help or "").replace("%%", "%"))
            yield f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {name}' -l {flag[2:]}{takes} -d {said}"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
