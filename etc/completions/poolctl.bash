# bash completion for poolctl, printed by `poolctl help --bash`
_poolctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= w
    COMPREPLY=()
    case $before in
    --config) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")); return ;;
    --state-dir|--run-dir) compopt -o filenames; COMPREPLY=($(compgen -d -- "$word")); return ;;
    --listen|--server|-s|--timeout|-t|--pid|-p|--format|--lines|-n|--manager) return ;;
    esac
    for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $w in
        ensure|list|status|why|tools|call|connect|logs|history|stop|restart|evict|pin|unpin|forget|trust|untrust|config|reload|service|doctor|shutdown|version|help) command=$w; break ;;
        esac
    done
    local options=" --config --state-dir --run-dir --listen --json --help --version" commands="ensure list status why tools call connect logs history stop restart evict pin unpin forget trust untrust config reload service doctor shutdown version help" topics="config errors exit-codes api environment files signals routing states reasons trust logs poold poolctl poold.conf poold-api"
    case $command in
    ensure) options+=" --server --direct --no-wait --timeout --warm --trust --force" ;;
    status) options+=" --server" ;;
    why) options+=" --server --pid" ;;
    tools) options+=" --server --format --start" ;;
    call) options+=" --server --project --output --timeout" ;;
    connect) options+=" --server --project --lean --start" ;;
    logs) options+=" --follow --lines --server" ;;
    history) options+=" --lines" ;;
    stop) options+=" --all --now --server" ;;
    restart) options+=" --server --timeout" ;;
    evict) options+=" --server" ;;
    pin) options+=" --server" ;;
    unpin) options+=" --server" ;;
    trust) options+=" --yes" ;;
    config) options+=" --check --example" ;;
    service) options+=" --print --now --manager" ;;
    shutdown) options+=" --keep-daemons" ;;
    help) options+=" --markdown --bash --zsh" ;;
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [[ -z $command ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$word"))
    elif [[ $command == help ]]; then
        COMPREPLY=($(compgen -W "$commands $topics" -- "$word"))
    else
        compopt -o filenames
        COMPREPLY=($(compgen -d -- "$word"))
    fi
}
complete -F _poolctl poolctl
