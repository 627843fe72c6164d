"""Made images with known truth: the demo study, and what tests measure against."""
