#!/bin/sh
# Packs the frozen program for Linux: a tarball that brings everything along, and a .deb for Debian 12, Ubuntu 24.04 and
# newer. Usage: installers/linux/package.sh [--as-it-is]      (with it, what was frozen before is packed again)
# Into dist/, with a checksum beside each. Needs tar; for the .deb dpkg-deb and dpkg-shlibdeps (Debian: dpkg-dev).
set -eu
cd "$(dirname "$0")/../.."
say() { printf 'cadviewer: %s\n' "$*" >&2; }
python=${PYTHON:-python3}
[ "${1:-}" = --as-it-is ] || "$python" installers/freeze.py
frozen=$PWD/build/installer/frozen/cadviewer
name=$("$python" installers/freeze.py --name)
version=${name#cadviewer-}
version=${version%%-*}
dist=$PWD/dist
work=$PWD/build/installer/linux
rm -rf "$work"
mkdir -p "$work" "$dist"
checksum() { (cd "$dist" && sha256sum "$1" > "$1.sha256"); say "$dist/$1 ($(du -h "$dist/$1" | cut -f1))"; }

# --- Tarball: unpack it anywhere and start it, or run its install.sh for the menu and double clicks -------------------
say "packing the tarball"
mkdir "$work/$name"
cp -al "$frozen" "$work/$name/program"
cp installers/linux/install.sh installers/linux/cadviewer.desktop.in installers/linux/cadviewer-mime.xml \
    resources/icons/cadviewer.svg LICENSE build/installer/licences.txt "$work/$name/"
ln -s program/cadviewer "$work/$name/cadviewer"
tar -C "$work" --owner=0 --group=0 --sort=name -c "$name" | gzip -n > "$dist/$name.tar.gz"
checksum "$name.tar.gz"

# --- .deb ---------------------------------------------------------------------------------------------------------------
if ! command -v dpkg-deb >/dev/null 2>&1 || ! command -v dpkg-shlibdeps >/dev/null 2>&1; then
    say "no .deb: dpkg-deb and dpkg-shlibdeps are not here"
    exit 0
fi
say "packing the .deb"
architecture=$(dpkg --print-architecture)
root=$work/deb
inside=$root/usr/lib/cadviewer
mkdir -p "$root/DEBIAN" "$root/usr/lib" "$root/usr/bin" "$root/usr/share/applications" "$root/usr/share/mime/packages" \
    "$root/usr/share/icons/hicolor/scalable/apps" "$root/usr/share/doc/cadviewer" "$root/usr/share/man/man1" \
    "$root/usr/share/lintian/overrides"
cp -a "$frozen" "$inside"
# The libraries of the system that PyInstaller copied (X11, fonts, OpenSSL, ...) are Debian's to keep safe: the package
# depends on them. The Python libraries stay, since Debian 12 has none of PySide6, OpenVINO or SimpleITK of these versions.
for library in "$inside"/_internal/*.so*; do
    own=/usr/lib/$(dpkg-architecture -q DEB_HOST_MULTIARCH)/${library##*/}
    if [ ! -L "$library" ] && [ -e "$own" ] && cmp -s "$library" "$own"; then rm "$library"; fi
done
find "$inside" -type f -exec chmod 644 {} +
chmod 755 "$inside/cadviewer"
ln -s ../lib/cadviewer/cadviewer "$root/usr/bin/cadviewer"
sed 's|@BIN@|/usr/bin/cadviewer|g' installers/linux/cadviewer.desktop.in > "$root/usr/share/applications/cadviewer.desktop"
cp installers/linux/cadviewer-mime.xml "$root/usr/share/mime/packages/cadviewer.xml"
cp resources/icons/cadviewer.svg "$root/usr/share/icons/hicolor/scalable/apps/"
gzip -9nc installers/linux/cadviewer.1 > "$root/usr/share/man/man1/cadviewer.1.gz"
cp installers/linux/lintian-overrides "$root/usr/share/lintian/overrides/cadviewer"
cat installers/linux/copyright build/installer/licences.txt > "$root/usr/share/doc/cadviewer/copyright"
printf 'cadviewer (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n -- The cadviewer developers <cadviewer@localhost>  %s\n' \
    "$version" "$(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}")" |
    gzip -9nc > "$root/usr/share/doc/cadviewer/changelog.gz"
mkdir -p "$work/shlibdeps/debian"
printf 'Source: cadviewer\n\nPackage: cadviewer\nArchitecture: any\n' > "$work/shlibdeps/debian/control"
find "$inside" -name '*.so*' -printf '-l%h\n' | sort -u > "$work/shlibdeps/own"
find "$inside" -type f \( -name '*.so*' -o -name cadviewer \) > "$work/shlibdeps/programs"
# shellcheck disable=SC2016 # the inner shell's
needed=$(cd "$work/shlibdeps" && xargs -a programs sh -c 'exec dpkg-shlibdeps -O --ignore-missing-info --warnings=0 $(cat own) "$@"' - 2>log |
    sed 's/^shlibs:Depends=//')
[ -n "$needed" ] || { cat "$work/shlibdeps/log" >&2; exit 1; }
cat > "$root/DEBIAN/control" <<CONTROL
Package: cadviewer
Version: $version
Architecture: $architecture
Maintainer: The cadviewer developers <cadviewer@localhost>
Installed-Size: $(du -ks "$root/usr" | cut -f1)
Depends: $needed, fonts-dejavu-core | fonts-freefont-ttf | fonts-noto-core
Recommends: shared-mime-info, xdg-utils
Section: science
Priority: optional
Description: radiology viewer with computer-aided detection (research use only)
 Shows chest CT with a detector of lung nodules and breast ultrasound with the
 outline of a tumour and a malignancy score. Reads DICOM, MetaImage, NRRD, NIfTI
 and pictures; models run on this machine.
 .
 For research use only: not a medical device, not for diagnosis.
CONTROL
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
deb=cadviewer_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$dist/$deb" >/dev/null
checksum "$deb"
