"""HTTP and JSON: from a Request to a Reply."""
