#!/bin/sh
# Installs cadviewer for double clicks: the program, a desktop entry, an icon, file types.
# Usage: install.sh [--uninstall]      PREFIX says where: ~/.local for one user (the default), /usr/local for everybody.
# In an unpacked tarball it copies the program that lies beside it; in a checkout it makes an environment of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-$([ "$(id -u)" = 0 ] && echo /usr/local || echo "$HOME/.local")}
program=$prefix/lib/cadviewer
data=$prefix/share
entry=$data/applications/cadviewer.desktop
icon=$data/icons/hicolor/scalable/apps/cadviewer.svg
mime=$data/mime/packages/cadviewer.xml
say() { printf 'cadviewer: %s\n' "$*" >&2; }

refresh() { # the desktop's caches; a desktop without these tools reads the folders itself
    quietly update-mime-database "$data/mime"
    quietly update-desktop-database "$data/applications"
    quietly gtk-update-icon-cache -qtf "$data/icons/hicolor"
}
quietly() { if command -v "$1" >/dev/null 2>&1; then "$@" >/dev/null 2>&1 || true; fi; }

if [ "${1:-}" = --uninstall ]; then
    rm -rf "$program"
    rm -f "$entry" "$icon" "$mime" "$prefix/bin/cadviewer" "$prefix/bin/cadviewer-train"
    refresh
    say "removed from $prefix; settings and reading journals of users are kept"
    exit 0
fi

mkdir -p "$prefix/lib" "$prefix/bin" "$(dirname "$entry")" "$(dirname "$icon")" "$(dirname "$mime")"
if [ -x "$here/program/cadviewer" ]; then
    say "installing into $program"
    rm -rf "$program"
    cp -R "$here/program" "$program"
    executable=$program/cadviewer
    drawing=$here/cadviewer.svg
else
    cd "$here/../.."
    sh installers/setup.sh run
    say "installing into $program"
    # Made in its final place, since the scripts of an environment hold its path.
    rm -rf "$program"
    .venv/bin/uv venv --quiet --python .venv/bin/python "$program"
    .venv/bin/uv pip install --quiet --python "$program/bin/python" .
    ln -sf "$program/bin/cadviewer-train" "$prefix/bin/cadviewer-train"
    executable=$program/bin/cadviewer
    drawing=resources/icons/cadviewer.svg
fi
ln -sf "$executable" "$prefix/bin/cadviewer"
sed "s|@BIN@|$executable|g" "$here/cadviewer.desktop.in" > "$entry"
cp "$drawing" "$icon"
cp "$here/cadviewer-mime.xml" "$mime"
refresh
say "installed: find cadviewer in the menu, open files with it by a double click, or run $prefix/bin/cadviewer"
