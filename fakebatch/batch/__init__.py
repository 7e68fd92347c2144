"""One batch: its input, its plan, its life and what it leaves behind. Pure."""
