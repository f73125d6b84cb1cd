"""`occlufer completion bash`: what makes a shell complete commands, groups, options and settings. Loads no Hydra."""

from __future__ import annotations

import re
import sys

from occlufer.commands.options import COMMANDS, given_folders, group_options

_BASH = """_occlufer() {
    COMPREPLY=($(occlufer completion words "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -F _occlufer occlufer"""
_ZSH = f"autoload -Uz compinit bashcompinit && compinit && bashcompinit\n{_BASH}"
_USAGE = (
    'Put this line into ~/.bashrc:  eval "$(occlufer completion bash)"\n'
    'or this one into ~/.zshrc:     eval "$(occlufer completion zsh)"'
)


def main() -> None:
    """Print the script of a shell, or for such a script the words that a line may go on with."""
    match sys.argv[1:]:
        case ["bash"]:
            print(_BASH)
        case ["zsh"]:
            print(_ZSH)
        case ["words", line]:
            print("\n".join(completions(line)))
        case _:
            print(_USAGE)


def completions(line: str) -> list[str]:
    """What the last word of a command line may become; a shell takes what follows its last `=` for that word."""
    *words, last = line.split() if line[-1:].strip() else [*line.split(), ""]
    if len(words) < 2:
        return [name for name in COMMANDS if name.startswith(last)]
    if (info := COMMANDS.get(words[1])) is None:
        return []
    if not info.by_hydra:
        flags = sorted({flag for names, _ in info.settings for flag in re.findall(r"--[\w-]+", names)})
        return [flag for flag in flags if last.startswith("-") and flag.startswith(last)]
    name, equals, value = last.partition("=")
    if not equals:
        keys = [key for names, _ in info.settings for key in re.findall(r"([\w./]+)=", names)]
        return [f"{key}=" for key in dict.fromkeys((*info.groups, *keys)) if key.startswith(last)]
    before, comma, part = value.rpartition(",")
    return [f"{before}{comma}{option}" for option in _options(words, name) if option.startswith(part)]


def _options(words: list[str], name: str) -> list[str]:
    """The options of a group, or the choices that a setting's help names."""
    if found := group_options(name, given_folders(words)):
        return found
    for names, _ in COMMANDS[words[1]].settings:
        key, _, choices = names.partition("=")
        if key == name and "|" in choices:
            return [choice for choice in choices.split("|") if choice.islower()]
    return []


if __name__ == "__main__":
    main()
