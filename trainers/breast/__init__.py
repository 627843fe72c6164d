"""Training and evaluation of the breast ultrasound models."""
