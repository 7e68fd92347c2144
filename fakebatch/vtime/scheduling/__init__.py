"""When threads run, and when time moves."""
