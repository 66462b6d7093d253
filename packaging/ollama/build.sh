#!/usr/bin/env bash
# Builds the real Ollama server (CPU only) for the live tests on Linux, and prints where it is.
#
# The binary lies outside the tree, so that `make clean` and a fresh clone keep it:
#   ${XDG_CACHE_HOME:-~/.cache}/innkeep/ollama-<version>/bin/ollama
# A second call finds it there and returns at once. On a Mac nobody needs this: `brew install ollama`.
# With --missing it builds nothing and prints the Debian packages that it would need, in one line.
#
# The Go module holds the whole server but leaves out three C++ headers of others. Two come as Debian packages
# (nlohmann-json3-dev, libstb-dev), the third from the source archive of the Python package `miniaudio`.
set -euo pipefail

version=0.17.4
miniaudio=1.61
toolchain=go1.24.1 # what the module's go.mod asks for; fetched where the installed go is older
python=${PYTHON:-python3}

cache=${XDG_CACHE_HOME:-${HOME:?is not set, and no XDG_CACHE_HOME either}/.cache}/innkeep/ollama-$version
binary=$cache/bin/ollama

say() { printf 'ollama: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

if [ -x "$binary" ]; then
    [ "${1:-}" = --missing ] && echo || echo "$binary"
    exit 0
fi
[ "$(uname -s)" = Linux ] || fail "this builds for Linux only; on a Mac: brew install ollama, then make test"

# --- what Debian has -------------------------------------------------------------------------------------------------
# A package is asked for only where the thing itself is missing, so that a go or a compiler from elsewhere will do.
missing=()
has go || missing+=(golang-go)
has g++ || missing+=(g++)
has git || missing+=(git)
[ -e /usr/include/nlohmann/json.hpp ] || missing+=(nlohmann-json3-dev)
[ -e /usr/include/stb/stb_image.h ] || missing+=(libstb-dev)
if [ "${1:-}" = --missing ]; then
    echo "${missing[*]}"
    exit 0
fi
if [ ${#missing[@]} -gt 0 ]; then
    has apt-get || fail "missing: ${missing[*]} (names of the Debian packages); install them and try again"
    [ "$(id -u)" = 0 ] || fail "missing packages; run: sudo apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        "${missing[@]}"; } >&2 || fail "apt-get could not install ${missing[*]}"
fi
"$python" -m pip --version >/dev/null 2>&1 ||
    fail "'$python -m pip' does not run; use make ollama (it has its own pip) or install python3-pip"

mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- a Go that is new enough -----------------------------------------------------------------------------------------
# From 1.21 on, go fetches the toolchain that a module asks for. An older one (Debian 12 has 1.19) is made to fetch the
# very same toolchain as the module that it is.
go=go
have=$(go env GOVERSION)
case $have in
go1.? | go1.?.* | go1.1[0-9]* | go1.20*)
    say "$have is too old for Ollama $version; fetching $toolchain through the Go module proxy"
    module=golang.org/toolchain@v0.0.1-$toolchain.$(go env GOOS)-$(go env GOARCH)
    (cd "$work" && go mod download "$module" >&2) ||
        fail "could not fetch $toolchain; install go 1.21 or later (https://go.dev/doc/install) and try again"
    # Modules are unpacked read-only and not executable, and an old go knows no exception for its own toolchain.
    cp -r "$(go env GOMODCACHE)/$module" "$work/go"
    chmod -R u+w "$work/go"
    chmod +x "$work"/go/bin/* "$work"/go/pkg/tool/*/*
    go=$work/go/bin/go
    ;;
esac

# --- build -----------------------------------------------------------------------------------------------------------
say "fetching miniaudio.h"
# Only miniaudio from source: with `--no-binary :all:` pip would compile its build dependencies too, without headers.
"$python" -m pip download --quiet --no-deps --no-binary miniaudio --dest "$work" "miniaudio==$miniaudio" >&2 ||
    fail "pip could not download the source archive of miniaudio $miniaudio"
mkdir "$work/include"
tar -xzf "$work"/miniaudio-*.tar.gz -C "$work/include" --strip-components=1

say "building Ollama $version with $("$go" env GOVERSION); 3 to 10 minutes on 2 cores"
started=$SECONDS
GOBIN=$work/bin GOTOOLCHAIN=auto CGO_ENABLED=1 CGO_CPPFLAGS="-I$work/include ${CGO_CPPFLAGS:-}" "$go" install \
    -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=$version" "github.com/ollama/ollama@v$version" >&2 ||
    fail "the build failed; the compiler's message is above"

mkdir -p "$cache/bin"
mv -f "$work/bin/ollama" "$binary.new"
mv -f "$binary.new" "$binary" # the last step, so that a build that was interrupted leaves no half a binary
say "built in $((SECONDS - started)) s"
echo "$binary"
