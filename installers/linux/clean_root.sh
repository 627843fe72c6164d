#!/bin/sh
# Proves the .deb and the tarball of dist/ in a clean Debian: installs, tries, opens by a double click, removes, and
# looks for what stays. Usage, as root: installers/linux/clean_root.sh [SERIES]
# ONLY=deb or ONLY=tarball tries one of them; SUITE names another Debian than bookworm.
# Needs mmdebstrap, Xvfb, xdotool and ImageMagick here, and nothing of the sort inside. Pictures into build/smoke.
set -eu
cd "$(dirname "$0")/../.."
if [ "${IN_OWN_MOUNTS:-}" != yes ]; then # mounts go with the process that made them
    exec env IN_OWN_MOUNTS=yes unshare --mount --propagation private sh "$0" "$@"
fi
series=${1:-}
smoke=$PWD/build/smoke
root= # of what is tried now
suite=${SUITE:-bookworm}
say() { printf '\n#### %s\n' "$*"; }
fail() { printf 'clean root: %s\n' "$*" >&2; exit 1; }
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
as_reader() { # HOME is empty at first
    env -i PATH=/usr/bin:/bin:/usr/sbin LANG=C.UTF-8 HOME=/home/reader DISPLAY="${DISPLAY:-}" XDG_RUNTIME_DIR=/run/reader \
        chroot --userspec=reader:reader "$root" "$@"
}
listed() { (cd "$root" && find usr etc opt var/lib home -xdev \( -path var/lib/apt -o -path var/lib/dpkg \) -prune -o -print | sort); }

make_root() {
    say "a clean root of $suite"
    mkdir -p "$smoke"
    root=$smoke/root-$1
    [ -f "$smoke/$suite.tar" ] || mmdebstrap --quiet --variant=apt "$suite" "$smoke/$suite.tar"
    rm -rf "$root"
    mkdir -p "$root"
    tar -C "$root" -xf "$smoke/$suite.tar"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mkdir -p /tmp/.X11-unix "$root/tmp/.X11-unix" "$root/mnt/series" "$root/mnt/dist" "$root/mnt/out"
    mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"
    mount --bind "$PWD/dist" "$root/mnt/dist"
    rm -rf "${smoke:?}/$1"
    mkdir -p "$smoke/$1"
    chmod 777 "$smoke/$1"
    mount --bind "$smoke/$1" "$root/mnt/out"
    [ -z "$series" ] || mount --bind "$series" "$root/mnt/series"
    cp installers/smoke.sh "$root/mnt/smoke.sh"
    inside useradd --create-home --skel /nonexistent reader
    mkdir -m 700 "$root/run/reader"
    chown 1000:1000 "$root/run/reader"
    inside apt-get -qq update
}

leave_root() { umount -l "$root/mnt/out" "$root/mnt/dist" "$root/tmp/.X11-unix" "$root/dev" "$root/proc"; [ -z "$series" ] || umount -l "$root/mnt/series"; }

driven() { # NAME COMMAND…: starts it under a real X server, waits for its window, takes a picture, closes it
    name=$1
    shift
    Xvfb -displayfd 3 -screen 0 1366x768x24 3> "$smoke/$name.display" >/dev/null 2>&1 &
    server=$!
    sleep 4
    DISPLAY=:$(cat "$smoke/$name.display")
    export DISPLAY
    as_reader "$@" > "$smoke/$name.log" 2>&1 &
    window=
    for _ in $(seq 60); do
        sleep 1
        window=$(xdotool search --onlyvisible --name cadviewer 2>/dev/null | tail -n 1)
        [ -n "$window" ] && break
    done
    [ -n "$window" ] || { kill $server; cat "$smoke/$name.log" >&2; fail "no window of $name"; }
    sleep "${SECONDS_TO_LOOK:-25}"
    import -window root "$smoke/$name.png"
    xdotool search --onlyvisible --name cadviewer windowclose
    sleep 5
    kill $server
    DISPLAY=
}

no_trace() { # of the programs; what the user made stays
    listed > "$smoke/after.txt"
    left=$(comm -13 "$smoke/before.txt" "$smoke/after.txt" | grep -vE "$1" || true)
    [ -z "$left" ] || fail "this stayed: $left"
    for process in /proc/[0-9]*/exe; do
        case $(readlink "$process" 2>/dev/null) in "$root"/*cadviewer*) fail "a process still runs" ;; esac
    done
    say "nothing stayed but: $(comm -13 "$smoke/before.txt" "$smoke/after.txt" | grep -E "$1" | tr '\n' ' ')"
}
# ... and the cache of fontconfig, which every program with letters leaves
users_own='^home/reader/\.((local|config)(/share|/state)?(/cadviewer.*)?|cache(/fontconfig.*)?)$'

try_deb() {
    deb=$(ls dist/*.deb)
    make_root deb
    listed > "$smoke/before-all.txt"
    say "apt-get install $deb"
    inside apt-get -qq -y --no-install-recommends install "/mnt/$deb" > "$smoke/apt.log" 2>&1 || { cat "$smoke/apt.log"; fail "not installed"; }
    inside apt-get -qq -y --no-install-recommends install libglib2.0-bin desktop-file-utils shared-mime-info >> "$smoke/apt.log" 2>&1
    inside desktop-file-validate /usr/share/applications/cadviewer.desktop
    say "tried by commands"
    as_reader sh /mnt/smoke.sh cadviewer /mnt/out ${series:+/mnt/series}
    say "opened by its desktop entry"
    driven deb-double-click gio launch /usr/share/applications/cadviewer.desktop /mnt/out/demo/study/chest-ct
    [ -z "$series" ] || driven deb-series cadviewer /mnt/series
    say "apt-get purge"
    inside dpkg-query --status cadviewer | grep -E '^(Installed-Size|Depends)'
    inside apt-get -qq -y purge cadviewer > /dev/null 2>&1
    (cd "$root" && find . -xdev -name '*cadviewer*' ! -path './home/*' ! -path './mnt/*' ! -path './proc/*' ! -path './tmp/*') > "$smoke/left.txt"
    grep -v '/var/lib/apt\|/var/cache\|/var/log' "$smoke/left.txt" && fail "this stayed"
    say "the package is gone; what stayed in the home: $(cd "$root/home/reader" && find . -maxdepth 4 -type d | tr '\n' ' ')"
    leave_root
}

try_tarball() {
    make_root tarball
    say "what a desktop has: the libraries of a window, and fonts"
    inside apt-get -qq -y --no-install-recommends install libegl1 libgl1 libxcb1 fontconfig-config \
        fonts-dejavu-core >> "$smoke/apt.log" 2>&1
    tarball=$(ls dist/*-linux-*.tar.gz)
    as_reader tar -C /home/reader -xf "/mnt/$tarball"
    folder=/home/reader/$(basename "$tarball" .tar.gz)
    listed | grep -v "^${folder#/}" > "$smoke/before.txt"
    as_reader "$folder/cadviewer" --version
    say "installed for this user"
    as_reader sh "$folder/install.sh"
    as_reader rm -rf "$folder"
    as_reader sh /mnt/smoke.sh /home/reader/.local/bin/cadviewer /mnt/out ${series:+/mnt/series}
    driven tarball /home/reader/.local/bin/cadviewer ${series:+/mnt/series}
    say "uninstalled"
    as_reader tar -C /home/reader -xf "/mnt/$tarball" --wildcards '*/install.sh'
    as_reader sh "$folder/install.sh" --uninstall
    as_reader rm -rf "$folder"
    no_trace "$users_own|^home/reader/\.local/(bin|lib|share(/applications|/mime.*|/icons.*)?)$"
    leave_root
}

for each in ${ONLY:-deb tarball}; do "try_$each"; done
say "all went well"
