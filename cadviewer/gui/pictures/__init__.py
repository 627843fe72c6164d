"""Pictures of what is on screen: copied, saved (one, a series, the key images, as film), printed."""
