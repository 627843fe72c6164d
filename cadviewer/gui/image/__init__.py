"""What CT and ultrasound share: the stack on screen, the view on it, the viewport, its tools and its lettering."""
