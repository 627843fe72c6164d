"""The breast ultrasound panel."""
