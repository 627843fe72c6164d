"""The SBOM (CycloneDX) of the frozen program: what pip installed, Python, the models, and libraries of the system.

    python installers/sbom.py INSTALLED.cdx.json FOLDER OUT.cdx.json

INSTALLED is what cyclonedx-py says of the environment that was frozen into FOLDER. Beside it licences.txt is written,
a line for each part. Needs cyclonedx-bom[validation].
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOT_SHIPPED = ("pip", "setuptools")
"""Of every new virtual environment."""


def main(installed: Path, folder: Path, out: Path) -> int:
    """Write it; 1 where it is no valid SBOM."""
    content = json.loads(installed.read_text(encoding="utf-8"))
    more = [python(), *models(folder), *system_libraries(folder)]
    content["components"] = [c for c in content["components"] if c["name"] not in NOT_SHIPPED] + more
    kept = {content["metadata"]["component"]["bom-ref"], *(c["bom-ref"] for c in content["components"])}
    content["dependencies"] = [
        {**entry, "dependsOn": [ref for ref in entry.get("dependsOn", ()) if ref in kept]}
        for entry in content["dependencies"]
        if entry["ref"] in kept
    ]
    text = json.dumps(content, indent=1, ensure_ascii=False)
    problem = invalid(text)
    if problem:
        sys.stderr.write(f"sbom: not valid: {problem}\n")
        return 1
    out.write_text(text + "\n", encoding="utf-8")
    (installed.parent / "licences.txt").write_text("".join(map(licence_line, content["components"])), encoding="utf-8")
    return 0


def licence_line(part: dict[str, Any]) -> str:
    """For people: a part and its licences as it names them; what Debian brings says so itself."""
    if part.get("purl", "").startswith("pkg:deb/"):
        return ""
    entries = part.get("licenses", ())
    names = [e.get("expression") or e["license"].get("id") or e["license"].get("name", "") for e in entries]
    said = sorted({" ".join(name.split())[:100] for name in names if name})
    return f"  {part['name']} {part['version']}: {'; '.join(said) or 'see its files'}\n"


def python() -> dict[str, Any]:
    """The interpreter."""
    version = platform.python_version()
    return _component("platform", "cpython", version, f"pkg:generic/python@{version}", licence="PSF-2.0")


def models(folder: Path) -> Iterator[dict[str, Any]]:
    """The networks' weights, by their cards."""
    for path in sorted(folder.rglob("cadviewer/resources/weights/*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        found = _component("machine-learning-model", card["name"], card["version"], licence=card.get("licence", ""))
        yield {**found, "hashes": [{"alg": "SHA-256", "content": card["weights_sha256"]}]}


def system_libraries(folder: Path) -> Iterator[dict[str, Any]]:
    """Debian packages whose libraries PyInstaller took along; none elsewhere."""
    if shutil.which("dpkg") is None:
        return
    there = {path.name: path for path in Path("/usr/lib").glob("*-linux-gnu/*.so*")}
    internal = folder / "_internal"
    names = [p.name for p in internal.glob("*.so*") if p.name in there and same(p, there[p.name])]
    found = subprocess.run(
        ["dpkg-query", "--search", *(f"*/{name}" for name in names)], capture_output=True, text=True, check=False
    )
    for package in sorted({line.split(":")[0] for line in found.stdout.splitlines() if "diversion" not in line}):
        asked = ["dpkg-query", "--show", "--showformat", "${Version}", package]
        version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        yield _component("library", package, version, f"pkg:deb/debian/{package}@{version}")


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same."""
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def _component(kind: str, name: str, version: str, purl: str = "", licence: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "bom-ref": purl or f"{name}@{version}", "name": name, "version": version}
    if purl:
        found["purl"] = purl
    if licence:
        found["licenses"] = [{"license": {"name": licence}}]
    return found


def invalid(text: str) -> str:
    """Why a text is no CycloneDX document; "" where it is one."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    return "" if error is None else str(error)[:500]


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
