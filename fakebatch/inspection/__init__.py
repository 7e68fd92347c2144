"""What a test looks at after the fact: calls and sleeps, files and batches, and what is wrong."""
