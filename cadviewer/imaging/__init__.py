"""Pixels and where they lie: geometry, readers, windowing, lung mask, phantoms."""
