"""What goes into a model and what comes out: cards, preparation, decoding, merging. No torch here but in `nets`."""
