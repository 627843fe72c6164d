#!/bin/sh
# Opens the viewer on the built-in demo study; without a display does the same job and saves a picture of the window.
set -eu
cd "$(dirname "$0")/.."
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}" ] && [ -z "${WAYLAND_DISPLAY:-}" ]; then
    .venv/bin/cadviewer demo --out demo
    .venv/bin/cadviewer --screenshot demo/window.png --size 1600x1000 demo/study/chest-ct
    printf 'cadviewer: a picture of the window is in %s\n' "$PWD/demo/window.png"
else
    exec .venv/bin/cadviewer --demo
fi
