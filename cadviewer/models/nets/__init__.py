"""The networks, one file per paper. The only part of the viewer that imports torch, besides the worker process."""
