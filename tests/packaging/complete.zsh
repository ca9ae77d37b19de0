# Prints what zsh completes: zsh -f complete.zsh FOLDER LINE. Completion works in a line editor only, so an interactive zsh on
# a terminal of its own gets the line and a key; what it would list is caught where all of it passes, in compadd. It
# says when its editor reads, and when it has completed: what is typed sooner, the terminal may keep or change.
emulate -L zsh
zmodload zsh/zpty

said=$(mktemp) # no trap removes it: zpty's own child would run that as well
await() {
    local tries
    for tries in {1..400}; do
        grep -qx $1 $said && return
        sleep 0.05
    done
    print -u2 "complete.zsh: zsh does not get as far as '$1'"
    rm -f $said
    exit 1
}

zpty inner zsh -f -i
zpty -w inner "exec 3>${(q)said}; fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=10000"
zpty -w inner 'compadd() {
    local -a found
    if [[ " ${@[1,(i)(-|--)]}" != *\ -[a-zA-Z0-9]#[OAD]\ * ]]; then
        builtin compadd -O found "$@"
        (( $#found )) && print -rl -- "found "$^found >&3
    fi
    builtin compadd "$@"
}'
zpty -w inner 'show() { zle complete-word; print -u 3 end }; zle -N show; bindkey "^T" show'
zpty -w inner 'zle-line-init() { print -u 3 reads }; zle -N zle-line-init'
await reads
zpty -w -n inner "$2"$'\C-t'
await end
zpty -d inner
sed -n 's/^found //p' $said | sort -u
rm -f $said
