"""Draft a contract from a sample: what each column holds, and what must be set apart."""
