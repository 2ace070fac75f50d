"""The few named exceptions. A script turns them into one line on stderr and an exit code."""


class LoanDefaultError(Exception):
    """Base of every failure that is explained to the user in one line. Exit code 1."""


class InputError(LoanDefaultError):
    """The input or the usage is wrong and a retry cannot help. Exit code 2."""


class ServiceError(LoanDefaultError):
    """A service (tracking server, storage) did not answer; a retry may help. Exit code 1."""
