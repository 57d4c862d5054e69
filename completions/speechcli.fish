function __speechcli_complete
    _SPEECHCLI_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] \
        _TYPER_COMPLETE_ARGS=(commandline -cp) speechcli
end

complete --command speechcli --no-files --condition "__speechcli_complete is-args" \
    --arguments "(__speechcli_complete get-args)"
complete --command speechcli --force-files --condition "not __speechcli_complete is-args"
