"""Trainers: build and measure the weights that the viewer uses."""
