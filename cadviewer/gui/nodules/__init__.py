"""The chest CT: boxes, list of findings, rules for nodules."""
