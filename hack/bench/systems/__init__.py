"""The systems under test, and the servers that disturb them."""
