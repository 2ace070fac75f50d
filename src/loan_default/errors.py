"""Exceptions. The command-line runner maps them to an error line and an exit code."""


class LoanDefaultError(Exception):
    """Base class of failures reported to the user as one line. Exit code 1."""


class InputError(LoanDefaultError):
    """Invalid input or usage: a retry cannot help. Exit code 2."""


class ServiceError(LoanDefaultError):
    """A service (tracking server, storage) failed or did not respond: a retry may help."""
