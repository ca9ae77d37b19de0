# shellcheck shell=bash
# Debian systems in folders, for tests/packaging/run: fresh ones of each kind, unpacked from what is made once and kept.
#   clean   as small as Debian gets, so that what the package forgets to ask for is not there
#   tools   with systemd, man and the shells, which people have
# All of it happens in a mount namespace of its own, and the folders are in memory: whatever ends these tests, neither mount
# nor tree outlives them.

trees=$work/trees
base_days_max=14
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
tools=(systemd man-db zsh fish)
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0)

# in_tree TREE COMMAND...  as root; bounded, as every wait here is.
in_tree() {
    local tree=$1
    shift
    timeout --kill-after=10 300 chroot "$trees/$tree" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
}

make_place() {
    mkdir -p "$trees"
    mount -t tmpfs -o size=3g,mode=755 tmpfs "$trees"
}

# What is kept is named by all that it is made of.
base_of() { echo "$work/$suite-$1-$(echo "${tools[*]}" | sha256sum | cut -c 1-8).tar"; }

make_bases() {
    find "$work" -maxdepth 1 -name '*.tar' -mtime "+$base_days_max" -delete
    if [[ ! -f $(base_of clean) ]]; then
        say "making a clean Debian $suite, kept for $base_days_max days"
        timeout --kill-after=10 900 mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists \
            --dpkgopt=force-unsafe-io "$suite" "$work/new.tar" ||
            die "mmdebstrap could not make a Debian $suite; it needs Debian's packages"
        mv "$work/new.tar" "$(base_of clean)"
    fi
    if [[ ! -f $(base_of tools) ]]; then
        say "adding ${tools[*]}"
        unpack tools clean
        install_in tools "${tools[@]}" >"$work/output" 2>&1 ||
            die "apt could not install ${tools[*]} in a clean Debian $suite: $(tail -n 20 "$work/output")"
        keep_as_base tools
    fi
}

# Without what is mounted there, which was never part of it.
keep_as_base() {
    umount -R "$trees/$1"
    tar -cf "$work/new.tar" -C "$trees/$1" --numeric-owner .
    mv "$work/new.tar" "$(base_of "$1")"
}

# unpack TREE [BASE]  makes it anew, with what programs expect of a system that runs.
unpack() {
    local tree=$trees/$1 device
    drop_tree "$1"
    mkdir -p "$tree" "$work/archives/partial"
    tar -xf "$(base_of "${2:-$1}")" -C "$tree" --numeric-owner
    mount --bind "$tree" "$tree"
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
    for device in null zero full random urandom tty; do
        touch "$tree/dev/$device"
        mount --bind "/dev/$device" "$tree/dev/$device"
    done
    mkdir "$tree"/dev/{pts,shm}
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$tree/dev/pts"
    ln -s pts/ptmx "$tree/dev/ptmx"
    ln -s /proc/self/fd "$tree/dev/fd"
    mount --bind "$work/archives" "$tree/var/cache/apt/archives"
    cp --remove-destination "$(realpath /etc/resolv.conf)" "$tree/etc/resolv.conf"
}

# Never deletes what is still mounted: it would go with the tree.
drop_tree() {
    local tree=$trees/$1
    while mountpoint -q "$tree"; do umount -R "$tree" || return; done
    if grep -qF " $tree" /proc/self/mounts; then return 1; fi
    rm -rf --one-file-system "$tree"
}

# install_in TREE PACKAGE...  The lists of what Debian has are as old as the base; where they are too old, once more.
install_in() {
    local tree=$1
    shift
    in_tree "$tree" "${apt[@]}" install --no-install-recommends "$@" ||
        { in_tree "$tree" "${apt[@]}" update && in_tree "$tree" "${apt[@]}" install --no-install-recommends "$@"; }
}
