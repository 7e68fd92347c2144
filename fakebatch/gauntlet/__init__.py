"""The gauntlet: any client is run through all known incidents, and each run is judged."""
