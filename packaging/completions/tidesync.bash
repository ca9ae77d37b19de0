# shellcheck shell=bash
# Completion of tidesync for bash; needs nothing of bash-completion. tests/packaging/words holds it against the binary.

_tidesync() {
    local current=${COMP_WORDS[COMP_CWORD]} before='' verb='' options='' words='' i
    if ((COMP_CWORD > 0)); then before=${COMP_WORDS[COMP_CWORD - 1]}; fi
    COMPREPLY=()

    # What an option takes.
    case $before in
        --config) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        --scope) words='read trigger admin' ;;
        --slot) words=current ;;
        --job) words=slave-to-prod ;;
        --approve | --await | --cron | --expires | --grant-to | --limit | --listen | --name | --parameters | --reason | \
            --retries | --sleep | --timeout | --timezone) return ;;
    esac
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
        return
    fi

    # The verb: the first word, of some verbs the first two.
    for ((i = 1; i < COMP_CWORD; i++)); do
        case $verb:${COMP_WORDS[i]} in
            *:-*) ;;
            :*) verb=${COMP_WORDS[i]} ;;
            runs:show | runs:cancel | runs:retry) verb="runs ${COMP_WORDS[i]}" ;;
            schedule:* | token:*) verb="$verb ${COMP_WORDS[i]}" ;;
        esac
    done

    case $verb in
        '')
            options='--version'
            words='serve run check check-config doctor migrate runs pause resume ensure schedule token audit setup
                qstash-local demo health pre-stop'
            ;;
        serve) options='--config --insecure-dev' ;;
        run) options='--config --json --dry-run --approve' words=slave-to-prod ;;
        check | resume) options='--config --json' words=slave-to-prod ;;
        check-config | setup) options='--config --json --insecure-dev' ;;
        doctor) options='--config --json' ;;
        migrate) options='--config --json --await --grant-to' ;;
        health) options='--ready' ;;
        pre-stop) options='--sleep' ;;
        runs) options='--config --json --limit' words='show cancel retry' ;;
        'runs show' | 'runs cancel' | 'runs retry') options='--json' ;;
        pause) options='--config --json --reason' words=slave-to-prod ;;
        ensure) options='--config --json --slot --wait' words=slave-to-prod ;;
        schedule) words='create list get pause resume delete trigger' ;;
        'schedule create')
            options='--json --job --cron --config --timezone --retries --timeout --parameters'
            words=tidesync-slave-to-prod
            ;;
        'schedule list') options='--json' ;;
        'schedule get' | 'schedule pause' | 'schedule resume' | 'schedule delete' | 'schedule trigger')
            options='--json' words=tidesync-slave-to-prod
            ;;
        token) words='create list revoke' ;;
        'token create') options='--json --name --scope --expires' ;;
        'token list' | 'token revoke') options='--json' ;;
        audit) options='--config --json --limit' ;;
        qstash-local) options='--listen --dev --catch-up' ;;
        demo) options='--config' ;;
    esac
    if [[ $current == -* ]]; then words="$options --help -h"; fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _tidesync tidesync
