"""In front of the network: respx routes on both HTTP stacks, and transports of our own."""
