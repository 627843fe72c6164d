"""Layouts of breast ultrasound images."""
