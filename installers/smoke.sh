#!/bin/sh
# Tries an installed program as its user would, without a display: the demo study and a real series, by commands and as
# pictures of the window. Usage: installers/smoke.sh PROGRAM OUT [SERIES]
# SERIES: a folder or zip of a chest CT. The caller gives it an empty HOME. Ends with status 0 where all went well.
set -eu
program=$1
out=$2
series=${3:-}
mkdir -p "$out"
says() { printf '\n== %s\n' "$*"; }
holds() { # a file that must be there and have more lines than its header
    [ "$(wc -l < "$1")" -gt 1 ] || { printf 'smoke: nothing in %s\n' "$1" >&2; exit 1; }
}

says version
"$program" --version
says "doctor, with its self-test on the demo study"
"$program" doctor
says "the demo study, annotated"
"$program" demo --out "$out/demo"
holds "$out/demo/results/nodules.csv"
holds "$out/demo/results/breast.csv"
"$program" --screenshot "$out/demo.png" "$out/demo/study/chest-ct"
if [ -n "$series" ]; then
    says "a real series, annotated"
    "$program" annotate "$series" --out "$out/series" --overwrite
    holds "$out/series/cases.csv"
    "$program" --screenshot "$out/series.png" "$series"
fi
says "all went well; pictures of the window are in $out"
