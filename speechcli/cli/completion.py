"""`speechcli completion SHELL`: the script that lets a shell complete our commands, options and names of models.

    eval "$(speechcli completion bash)"  # in ~/.bashrc
    speechcli completion zsh > "${fpath[1]}/_speechcli"
    speechcli completion fish > ~/.config/fish/completions/speechcli.fish

The folder completions/ holds the same three scripts: `python -m speechcli.cli.completion completions` writes them.
They ask the program itself, by the protocol of Typer's completion, so that they never grow old.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from speechcli.cli.show import out

_BASH = r"""_speechcli() {
    local IFS=$'\n'
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _SPEECHCLI_COMPLETE=complete_bash "$1"))
}

complete -o default -F _speechcli speechcli
"""

_ZSH = r"""#compdef speechcli

_speechcli() {
    eval "$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _SPEECHCLI_COMPLETE=complete_zsh "${words[1]}")"
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _speechcli "$@"
else
    compdef _speechcli speechcli
fi
"""

_FISH = r"""function __speechcli_complete
    _SPEECHCLI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] \
        _TYPER_COMPLETE_ARGS=(commandline -cp) speechcli
end

complete --command speechcli --no-files --condition "__speechcli_complete is-args" \
    --arguments "(__speechcli_complete get-args)"
complete --command speechcli --force-files --condition "not __speechcli_complete is-args"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
FILES = {"bash": "speechcli.bash", "zsh": "_speechcli", "fish": "speechcli.fish"}


def completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Whose script.")]) -> None:
    """Print the completion script of a shell.

    In ~/.bashrc: eval "$(speechcli completion bash)". For zsh write it to a file _speechcli in a folder of $fpath,
    for fish to ~/.config/fish/completions/speechcli.fish.
    """
    out([SCRIPTS[shell]])


if __name__ == "__main__":
    for name, file in FILES.items():
        Path(sys.argv[1], file).write_text(SCRIPTS[name], encoding="utf-8")
