"""What a test holds in its hands: ways to say what shall happen, and to look at what did."""
