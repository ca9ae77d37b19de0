# shellcheck shell=bash
# The Debian package, of the binary that people run.

dev_package() {
    [[ $# -eq 0 ]] || refuse_usage "package takes no arguments"
    need build package
    build_preset release
    make_package
}

# What an older version left is no package of this tree.
make_package() {
    local log=$root/build/logs/package.log
    rm -rf build/package
    task package "$log" cpack --config build/release/CPackConfig.cmake -B build/package ||
        explain "making the package" "$log"
    rm -rf build/package/_CPack_Packages
    report package "$(echo build/package/*.deb), in $(elapsed)"
}
