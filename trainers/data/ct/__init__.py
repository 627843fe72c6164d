"""Layouts of labelled CT slices."""
