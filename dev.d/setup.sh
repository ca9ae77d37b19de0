# shellcheck shell=bash
# Debian packages: what is missing is installed, what is there is left alone.

setup_log=$root/build/logs/setup.log
idle_note=/etc/postgresql-common/createcluster.d/tidesync-setup.conf

# The table of names. What differs between the distributions stands in the lines that name one.
packages_for() { # what codename
    case $1:$2 in
        build:*)
            echo g++ cmake ninja-build pkg-config libpqxx-dev libpq-dev libssl-dev libcurl4-openssl-dev \
                nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev libcctz-dev tzdata \
                prometheus-cpp-dev
            ;;&
        build:bookworm) echo libboost1.81-dev ;;
        build:trixie) echo libboost-dev ;;
        demo:*) echo postgresql postgresql-client iso-codes ca-certificates openssl curl ;;
        test:*) echo catch2 clang-19 libclang-rt-19-dev lld-19 pgbouncer ;;
        conformance:*) echo nodejs npm ;;
        k8s:*) echo nodejs npm yamllint prometheus python3 openssl ;; # of prometheus only promtool
        image:*) echo ca-certificates tzdata binutils ;;
        bench:*) echo time ;;&
        bench:bookworm) echo pgcopydb ;; # elsewhere it is measured where it is found
        package:*) echo dpkg-dev file gzip ;;
        packaging:*) echo mmdebstrap ;;
        format:*) echo clang-format-19 ;;
        lint:*) echo clang-format-19 clang-tidy-19 shellcheck ;;
        tidy:*) echo libclang-19-dev llvm-19-dev ;; # for a plugin; clang-tidy does without
        debian13:*) echo mmdebstrap debian-archive-keyring ;;
    esac
}

# All groups, or those you name: the image is built with `./dev setup build image`.
dev_setup() {
    local groups=(build package demo test packaging conformance k8s image bench lint tidy) group
    for group in "$@"; do
        [[ " ${groups[*]} " == *" $group "* ]] || refuse_usage "setup knows: ${groups[*]}"
    done
    if [[ $# -gt 0 ]]; then groups=("$@"); fi
    need "${groups[@]}"
    report packages "all there"
}

# need GROUP...  makes sure that the packages of these groups are installed.
need() {
    local codename missing
    codename=$(distribution)
    missing=$(missing_packages "$codename" "$@")
    if [[ -z $missing ]]; then return; fi
    if [[ $codename == unknown ]]; then
        die "packages are known for Debian 12 (bookworm) and 13 (trixie), and this is neither.
Install what they are called here, then set TIDESYNC_SKIP_SETUP=1:
$missing"
    fi
    become_root "$missing"
    # shellcheck disable=SC2086  # a list of names
    install_packages $missing
}

distribution() {
    local codename
    codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || true
    case $codename in bookworm | trixie) echo "$codename" ;; *) echo unknown ;; esac
}

missing_packages() { # codename group...
    local codename=$1 group wanted=() installed
    shift
    if [[ -n ${TIDESYNC_SKIP_SETUP:-} ]]; then return; fi
    for group in "$@"; do
        mapfile -t -O "${#wanted[@]}" wanted < <(packages_for "$group" "${codename/unknown/bookworm}" | tr ' ' '\n')
    done
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p') || true
    # Any PostgreSQL will do: a machine with one from elsewhere shall not get a second.
    if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then installed+=$'\npostgresql'; fi
    if command -v psql >/dev/null; then installed+=$'\npostgresql-client'; fi
    if [[ $(node --version 2>/dev/null) =~ ^v([0-9]+) && ${BASH_REMATCH[1]} -ge 18 ]]; then installed+=$'\nnodejs'; fi
    if command -v npm >/dev/null; then installed+=$'\nnpm'; fi
    printf '%s\n' "${wanted[@]}" | sort -u | grep -vxFf <(echo "$installed") | tr '\n' ' ' || true
}

as_root() { if [[ $EUID -eq 0 ]]; then "$@"; else sudo -- "$@"; fi; }

become_root() {
    if [[ $EUID -eq 0 ]]; then return; fi
    local hint="have an administrator run: apt-get install $1"
    command -v sudo >/dev/null || die "packages are missing, and there is no sudo here; $hint"
    sudo -n true 2>/dev/null && return
    [[ -t 0 ]] || die "packages are missing, and sudo wants a password; $hint"
    say "To install packages that are missing, sudo may ask for your password: $1"
    sudo -v || die "without sudo, $hint"
}

install_packages() {
    if [[ " $* " == *' postgresql '* ]]; then keep_postgresql_idle; fi
    task packages "$setup_log" apt_install "$@" || explain "installing packages" "$setup_log"
    if [[ " $* " == *' pgbouncer '* ]]; then keep_idle pgbouncer; fi
    if [[ " $* " == *' prometheus '* ]]; then keep_idle prometheus; fi
    report packages "$# installed, with what they need, in $(elapsed)"
}

apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
    as_root "${apt[@]}" update && as_root "${apt[@]}" install -y --no-install-recommends "$@"
}

# How far apt is, "[steps/all] ", once its log $1 says how many packages there are: each is unpacked and then set up.
apt_fraction() {
    awk '/ newly installed, / { for (i = 2; i <= NF; i++) if ($i == "newly") all = 2 * $(i - 1) }
        /^(Unpacking|Setting up) / { steps++ }
        END { if (all) printf "[%d/%d] ", steps, all }' "$1"
}

# Debian's server package makes and starts a cluster when it is installed first. Nobody asked for that one.
keep_postgresql_idle() {
    as_root mkdir -p "${idle_note%/*}"
    at_exit forget_idle_note
    echo 'create_main_cluster = false  # ./dev setup of Tidesync, while it installs' |
        as_root tee "$idle_note" >/dev/null
}

# Their packages start them where systemd runs; the tests start their own, or want one program of the package.
keep_idle() {
    if [[ -d /run/systemd/system ]]; then as_root systemctl disable --now "$1" >/dev/null 2>&1 || true; fi
}

forget_idle_note() {
    as_root rm -f "$idle_note"
    as_root rmdir "${idle_note%/*}" 2>/dev/null
}
