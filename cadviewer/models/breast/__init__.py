"""From breast ultrasound to a mask and a score. No torch."""
