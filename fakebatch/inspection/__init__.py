"""What a test inspects: the journal, files and batches, and checks of what its client did."""
