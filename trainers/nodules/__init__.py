"""Training and evaluation of the nodule detector."""
