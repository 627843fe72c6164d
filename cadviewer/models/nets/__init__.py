"""The networks, one file per paper. The only part of the viewer that imports torch, besides the worker process."""

from __future__ import annotations

NETWORKS: dict[str, str] = {
    "hybrid_mt_estan": "cadviewer.models.nets.hybrid_mt_estan:build",
}
"""Key of a model card's `network` → "module:factory"; the factory takes the card's `config` and gives a module."""
