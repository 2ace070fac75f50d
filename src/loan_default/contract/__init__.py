"""A lender's data contract: its columns, what each may hold, and what is never a feature."""
