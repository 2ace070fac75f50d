"""Whether a file's columns can mean what they should: units, time zones, vanished columns."""
