_speechcli() {
    local IFS=$'\n'
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _SPEECHCLI_COMPLETE=complete_bash "$1"))
}

complete -o default -F _speechcli speechcli
