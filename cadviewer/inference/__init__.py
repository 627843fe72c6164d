"""The inference engine: a thread here, a torch process of its own there, shared memory between them."""
