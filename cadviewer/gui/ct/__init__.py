"""The chest CT desk."""
