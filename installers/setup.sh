#!/bin/sh
# Makes a checkout ready to run: system libraries that Qt needs, a virtual environment in .venv, the package.
# Usage: installers/setup.sh run|dev      Safe to run again; does nothing when everything is there.
# run: the window, with the CPU's engine; where there is an NVIDIA card (CADVIEWER_CUDA=yes or no overrules), with CUDA.
# dev: everything: the trainers and what checks the code.
set -eu
cd "$(dirname "$0")/.."
extra=${1:-run}
say() { printf 'cadviewer: %s\n' "$*" >&2; }

# --- Python -----------------------------------------------------------------------------------------------------------
find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}
python=$(find_python)
[ -n "$python" ] || { say "needs Python 3.11 or newer (set PYTHON=/path/to/python3)"; exit 1; }

# --- System libraries (Debian and Ubuntu; macOS needs none) -----------------------------------------------------------
# library file, the Debian package that brings it
libraries='libEGL.so.1 libegl1
libGL.so.1 libgl1
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
libxcb-xinerama.so.0 libxcb-xinerama0
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libglib-2.0.so.0 libglib2.0-0'
has_library() { ldconfig -p 2>/dev/null | grep -q "[[:space:]]$1 " || /sbin/ldconfig -p 2>/dev/null | grep -q "[[:space:]]$1 "; }
has_font() { [ -n "$(find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" \
    \( -name '*.ttf' -o -name '*.otf' -o -name '*.ttc' \) 2>/dev/null | head -n 1)" ]; }
missing_packages() {
    printf '%s\n' "$libraries" | while read -r library package; do
        has_library "$library" || printf '%s ' "$package"
    done
    has_font || printf 'fonts-dejavu-core '
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        printf 'python%s-venv ' "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
}
if [ "$(uname -s)" = Linux ]; then
    packages=$(missing_packages)
    if [ -n "$packages" ]; then
        if ! command -v apt-get >/dev/null 2>&1; then
            say "some libraries for the window seem to be missing; with your package manager install what Debian calls: $packages"
        else
            line="apt-get update && apt-get install -y --no-install-recommends $packages"
            if [ "$(id -u)" = 0 ]; then
                say "installing $packages"
                sh -c "$line" >/dev/null || { say "could not install; run: $line"; exit 1; }
            elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
                say "installing $packages"
                sudo sh -c "$line" >/dev/null || { say "could not install; run: sudo sh -c '$line'"; exit 1; }
            else
                say "some system packages are missing and cannot be installed without root. Run this once, then the same command again:"
                say "  sudo sh -c '$line'"
                exit 1
            fi
        fi
    fi
fi

# --- Virtual environment and package ----------------------------------------------------------------------------------
# A stamp per kind of set-up holds what it was made from; it is written last, so a broken set-up is done again.
has_nvidia_card() {
    case ${CADVIEWER_CUDA:-} in yes) return 0 ;; no) return 1 ;; esac
    command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q '^GPU '
}
made_from() { { cat pyproject.toml installers/setup.sh; printf '%s\n' "$1"; } | cksum; }
run=.
if has_nvidia_card; then run='.[cuda]'; fi
if [ "$extra" = dev ]; then what='.[dev]'; else what=$run; fi
if [ "$what" = . ]; then size='about 370 MB'; else size='several GB: PyTorch'; fi
stamp=.venv/.ready-$extra
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(made_from "$what")" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "making a virtual environment in .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
fi
say "installing cadviewer and what it needs into .venv (the first time $size)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
.venv/bin/uv pip install --quiet --python .venv/bin/python --editable "$what"
made_from "$what" > "$stamp"
[ "$extra" = dev ] && made_from "$run" > .venv/.ready-run
exit 0
