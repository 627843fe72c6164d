"""What the trainers say, in the user's language. No Qt.

They run in a process of their own and write English lines; the window recognises them by these templates. What is none
of them is shown as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import Formatter

from cadviewer.gui.i18n.language import tr

SAID = (
    # why nobody can train on a folder
    "no image has a label; training needs images that are labelled benign or malignant",
    "all images are of one patient; a model is trained on some patients and calibrated on others",
    "the same image is there with two labels: {names}; correct one or leave both out",
    "no labelled image to train on; where the set has no folds a column “fold” of cases.csv says which are",
    "no labelled image to calibrate on; where the set has no folds a column “fold” of cases.csv says which are",
    "all images to train on are benign; a model that never saw a malignant one cannot tell them apart",
    "all images to train on are malignant; a model that never saw a benign one cannot tell them apart",
    "all images to calibrate on are benign; a model that never saw a malignant one cannot tell them apart",
    "all images to calibrate on are malignant; a model that never saw a benign one cannot tell them apart",
    "no slice to train on",
    "no slice to train on has a label; training needs boxes around nodules",
    "no crops of folds {folds} to train on",
    # warnings
    "patients unknown: images of one patient may be on both sides of the split",
    "images of {count} patients are in several parts of the split",
    "no image to {part} on",
    "{count} images look like another one; without folds of its own such a group is never split",
    "they look alike but are labelled differently: {names}",
    # why a folder is not recognised
    "{folder}: no such folder; name the data with --data or $CADVIEWER_TEST_DATA",
    "{folder}: no such folder",
    "{folder}: BUS-BRA is not here (bus_data.csv and Images), nor {others}, nor a cases.csv with image, mask, label, "
    "patient",
    "{folder}: none of the known layouts of labelled slices ({layouts})",
    "{folder}: LUNA16 scans; turn them into slices first with cadviewer-train luna16",
    "{folder}: holds no {set} (an index.csv beside crops.zip or images/ and masks/)",
    # why a run ended or did not start
    "{folder}: a training is under way in this folder; one folder takes one run",
    "{folder}: no room on this disk (a checkpoint needs {needed}, and {free} are free); {rest}",
    "{folder}: no room on this disk (it is full); {rest}",
    "the last one is kept ({file}): free some space and resume the run",
    "nothing was trained yet: free some space, or choose another place",
    "{file}: is damaged or cut off; nothing can go on from it",
    "the training process is gone",
    # why a trained model cannot be used
    "{model}: it never saw a benign lesion and cannot tell the two apart",
    "{model}: it never saw a malignant lesion and cannot tell the two apart",
    "{model}: it was not calibrated on benign and malignant lesions",
    "{model}: it works with a model whose card names it, and not by itself",
    "{file}: not the weights that the card describes",
    "{run}: this run has no weights yet",
    # kinds of labels, parts of a set
    "benign",
    "malignant",
    "normal",
    "unlabelled",
    "nodule",
    "without a label",
    "train",
    "tune",
    "test",
    "unused",
)
"""Everything of theirs that is recognised, with {places} for what differs."""


def said(text: str) -> str:
    """A reason, a warning or a word of a trainer in the user's language, what stands in its places too; any other text
    as it is."""
    for template in SAID if text else ():
        if (found := _pattern(template).fullmatch(text)) is not None:
            return tr(template, **{name: said(value) for name, value in found.groupdict().items()})
    return text


@lru_cache(maxsize=512)
def _pattern(template: str) -> re.Pattern[str]:
    parts = (
        re.escape(literal) + (f"(?P<{name}>.+?)" if name else "") for literal, name, _, _ in Formatter().parse(template)
    )
    return re.compile("".join(parts), re.DOTALL)
