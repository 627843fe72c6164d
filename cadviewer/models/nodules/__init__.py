"""From a chest CT to nodules. No torch."""
