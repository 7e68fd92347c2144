"""What stands in the place of the ways to sleep and to wait while a virtual clock runs."""
