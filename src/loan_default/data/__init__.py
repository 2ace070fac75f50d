"""From bytes to typed records and back: readers, parsing, rejected rows, writers."""
