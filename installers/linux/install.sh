#!/bin/sh
# Installs cadviewer for double clicks: an environment of its own, a desktop entry, an icon, file types.
# Usage: installers/linux/install.sh [--uninstall]
# PREFIX says where: ~/.local for one user (the default), /usr/local for everybody.
set -eu
cd "$(dirname "$0")/../.."
prefix=${PREFIX:-$([ "$(id -u)" = 0 ] && echo /usr/local || echo "$HOME/.local")}
program=$prefix/lib/cadviewer
data=$prefix/share
entry=$data/applications/cadviewer.desktop
icon=$data/icons/hicolor/scalable/apps/cadviewer.svg
mime=$data/mime/packages/cadviewer.xml
say() { printf 'cadviewer: %s\n' "$*" >&2; }

refresh() { # the desktop's caches; a desktop without these tools reads the folders itself
    command -v update-mime-database >/dev/null 2>&1 && update-mime-database "$data/mime" >/dev/null 2>&1 || true
    command -v update-desktop-database >/dev/null 2>&1 && update-desktop-database "$data/applications" >/dev/null 2>&1 || true
    command -v gtk-update-icon-cache >/dev/null 2>&1 && gtk-update-icon-cache -qtf "$data/icons/hicolor" >/dev/null 2>&1 || true
}

if [ "${1:-}" = --uninstall ]; then
    rm -rf "$program"
    rm -f "$entry" "$icon" "$mime" "$prefix/bin/cadviewer" "$prefix/bin/cadviewer-train"
    refresh
    say "removed from $prefix; settings and reading journals of users are kept"
    exit 0
fi

sh installers/setup.sh run
say "installing into $program"
mkdir -p "$prefix/lib" "$prefix/bin" "$(dirname "$entry")" "$(dirname "$icon")" "$(dirname "$mime")"
# Made in its final place, since the scripts of an environment hold its path.
rm -rf "$program"
.venv/bin/uv venv --quiet --python .venv/bin/python "$program"
.venv/bin/uv pip install --quiet --python "$program/bin/python" .
ln -sf "$program/bin/cadviewer" "$prefix/bin/cadviewer"
ln -sf "$program/bin/cadviewer-train" "$prefix/bin/cadviewer-train"
sed "s|@BIN@|$program/bin/cadviewer|g" installers/linux/cadviewer.desktop.in > "$entry"
cp resources/icons/cadviewer.svg "$icon"
cp installers/linux/cadviewer-mime.xml "$mime"
refresh
say "installed: find cadviewer in the menu, open files with it by a double click, or run $prefix/bin/cadviewer"
