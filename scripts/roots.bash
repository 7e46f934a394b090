# shellcheck shell=bash
# Sourced by the scripts that keep a Debian root in the cache: scripts/systemd-root and scripts/cross.
# The caller defines say().

cache_dir() {
    if [[ -n ${BRANCHLINE_CACHE:-} ]]; then printf '%s\n' "$BRANCHLINE_CACHE"
    elif ((EUID == 0)); then printf '/var/cache/branchline\n'
    else printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/branchline"; fi
}

# The Debian mirror this machine already uses, so that a local mirror or a proxy is honoured.
mirror() {
    local uri
    uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
        sed -nE 's/^(deb +(\[[^]]*\] +)?|URIs: *)(https?:[^ ]*\/debian)\/?( .*)?$/\3/p' | head -n 1)
    printf '%s\n' "${uri:-http://deb.debian.org/debian}"
}

# Files that only a person would read.
readonly SLIM=(
    --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
    --dpkgopt='path-exclude=/usr/share/info/*'
)

# Runs mmdebstrap for $1 (a suite) into $2 with the options that follow.
bootstrap() {
    local suite=$1 root=$2
    shift 2
    mmdebstrap --quiet "${SLIM[@]}" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
        "$@" "$suite" "$root" \
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main" >&2
}

# Makes the root $1 of the cache once, by calling `$3 DIRECTORY`, and again when the recipe's mark $2 differs.
# Sets ROOT. The lock lets several callers share a cache; the mark, written last, says that a root is whole.
ensure_root() {
    local name=$1 mark=$2 recipe=$3 base began
    base=$(cache_dir)/$name
    ROOT=$base/root
    [[ $(cat "$base/complete" 2>/dev/null) == "$mark" ]] && return
    mkdir -p "$base"
    exec 9>"$base/lock"
    if ! flock -n 9; then
        say "waiting for another build of the $name root"
        flock 9
    fi
    if [[ $(cat "$base/complete" 2>/dev/null) != "$mark" ]]; then
        command -v mmdebstrap >/dev/null || { say "mmdebstrap is missing: scripts/prerequisites $name"; return 69; }
        began=$SECONDS
        rm -rf "$base/complete" "$ROOT" "$base/new"
        "$recipe" "$base/new" || { rm -rf "$base/new"; say "the $name root could not be made"; return 1; }
        mv "$base/new" "$ROOT"
        printf '%s\n' "$mark" >"$base/complete"
        say "the $name root is ready: $((SECONDS - began)) s, $(du -sm "$ROOT" | cut -f 1) MiB in $ROOT"
    fi
    exec 9>&-
}
