"""Training and evaluation of the network that outlines nodules."""
