"""One batch as a frozen value: input, timeline, progress and result files, all pure functions."""
