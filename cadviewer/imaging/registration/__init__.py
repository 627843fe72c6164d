"""Where a point of one chest CT lies in another CT of the same patient: `registering.register`."""
