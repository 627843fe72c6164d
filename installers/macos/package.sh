#!/bin/sh
# Packs the frozen program for macOS: cadviewer.app in a .dmg, for the processor that it is built on. Never run so far.
# Usage: installers/macos/package.sh      Into dist/, with a checksum beside it. Needs Python 3.11 or newer and Xcode's tools.
# Signed where CADVIEWER_SIGN_AS names a "Developer ID Application" of the keychain; notarised where NOTARY_APPLE_ID,
# NOTARY_TEAM and NOTARY_PASSWORD (an app-specific password) are set too. Unsigned, it is opened by Control-click → Open.
set -eu
cd "$(dirname "$0")/../.."
say() { printf 'cadviewer: %s\n' "$*" >&2; }
python=${PYTHON:-python3}
"$python" installers/freeze.py
name=$("$python" installers/freeze.py --name)
application=build/installer/frozen/cadviewer.app
folder=build/installer/dmg
rm -rf "$folder"
mkdir -p "$folder" dist
if [ -n "${CADVIEWER_SIGN_AS:-}" ]; then
    codesign --force --deep --options runtime --timestamp --entitlements installers/macos/entitlements.plist \
        --sign "$CADVIEWER_SIGN_AS" "$application"
    codesign --verify --deep --strict "$application"
fi
cp -R "$application" "$folder/"
cp build/installer/licences.txt LICENSE "$folder/"
ln -s /Applications "$folder/Applications"
image=dist/$name.dmg
rm -f "$image"
hdiutil create -quiet -volname cadviewer -srcfolder "$folder" -format UDZO "$image"
if [ -n "${CADVIEWER_SIGN_AS:-}" ] && [ -n "${NOTARY_APPLE_ID:-}" ]; then
    codesign --sign "$CADVIEWER_SIGN_AS" --timestamp "$image"
    xcrun notarytool submit "$image" --apple-id "$NOTARY_APPLE_ID" --team-id "$NOTARY_TEAM" \
        --password "$NOTARY_PASSWORD" --wait
    xcrun stapler staple "$image"
fi
(cd dist && shasum -a 256 "$name.dmg" > "$name.dmg.sha256")
say "$image"
