"""What the breast model and its gate say, in the user's language. No Qt.

They know no languages: their reasons and warnings are English, in results and exports too, where they have to stay what
they are. The window recognises them by these templates. What is none of them is shown as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import Formatter

from cadviewer.findings import SPLITS
from cadviewer.gui.i18n.language import tr

TOLD = (
    # scope: what is not taken, the particular ones before those with a place
    "this is a CT; the breast model reads B-mode ultrasound",
    "this is a volume; the breast model reads B-mode ultrasound images",
    "this looks like a chest CT; the breast model reads gray B-mode images",
    "without the speckle of ultrasound; the breast model reads gray B-mode images",
    "body part {part}; the breast model reads ultrasound of the breast",
    "an examination of type {exam}; the breast model reads ultrasound of the breast",
    "modality {modality}; the breast model reads B-mode ultrasound",
    "modality {modality}; the models read CT and breast ultrasound",
    "{mode}; the breast model reads B-mode ultrasound",
    "colour flow over the lesion; the breast model reads gray B-mode images",
    "{colours}; the breast model reads gray B-mode images",
    *SPLITS,
    "no B-mode region in this ultrasound image",
    "{columns}×{rows} pixels are too few",
    "the image is blank",
    "too few gray values; a mask or a drawing",
    "neither a CT nor an ultrasound image, as far as it shows; choose the task yourself",
    # what stands in their places
    "M-mode",
    "Doppler",
    "colour Doppler",
    "colour M-mode",
    "power Doppler",
    "a Doppler spectrum",
    "a 3-D rendering",
    "tissue characterisation (elastography)",
    "coloured like an elastogram",
    "coloured like colour Doppler",
    "coloured (Doppler, elastography or a photograph)",
    # breast: calls and warnings
    "neither benign nor malignant can be ruled out at an error of {error}",
    "fits neither class at an error of {error}",
    "no clear outline, but the image as a whole looks suspicious",
    "a lesion hardly stands out: look closely",
    "no lesion stands out",
    "a pixel size must be positive, not {given}",
    "the file says how large a pixel is; the {mm} mm that were given are not used",
    "millimetres by a pixel size of {mm} mm that was given by the user",
    "the image is not calibrated: no millimetres",
    "analysed inside the B-mode region that the file names",
    "the left half of a split screen alone was analysed",
    "the right half of a split screen alone was analysed",
    "the image shows colour flow (Doppler is on): the model knows gray B-mode images alone",
    "{flows} of {total} frames show colour flow (Doppler is on): the model knows gray B-mode images alone",
    "the image is unlike the breast ultrasound that the model knows: the score may mean nothing",
    "{unlike} of {total} frames are unlike the breast ultrasound that the model knows: the score may mean nothing",
    # both models: numbers that are none
    "none of its values is a number",
    "{bad} values ({share}) are not numbers: they count as air.",
    "{bad} values ({share}) are not numbers: they count as black.",
    "pixels of {mm} mm, an image {field} m wide: no chest CT",
    # what the score depends on
    "there is no frame {frame}",
    "maps of what a score depends on need the library captum, which is not installed",
    "the model gave no map",
    "unknown error",
    "stopped",
)
"""Everything that is recognised, with {places} for what differs."""

DEVICES = (
    "no CUDA device",
    "this torch is built without CUDA",
    "as asked",
    "{wish} asked for, but no CUDA device",
    "{n} thread",
    "{n} threads",
)
"""What the engine says of its device."""


def told(text: str, templates: tuple[str, ...] = TOLD) -> str:
    """A reason or a warning in the user's language, what stands in its places too; any other text as it is."""
    if not text:
        return ""  # while a case opens: the patterns would take as long as its first image
    for template in templates:
        if (found := _pattern(template).fullmatch(text)) is not None:
            return tr(template, **{name: told(value, templates) for name, value in found.groupdict().items()})
    return text


@lru_cache(maxsize=512)
def _pattern(template: str) -> re.Pattern[str]:
    parts = (
        re.escape(literal) + (f"(?P<{name}>.+?)" if name else "") for literal, name, _, _ in Formatter().parse(template)
    )
    return re.compile("".join(parts), re.DOTALL)
