"""Read files into typed records and write them: readers, parsing, rejected rows, writers."""
