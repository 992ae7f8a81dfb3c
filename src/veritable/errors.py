"""The one kind of error that a person can mend: shown as its message alone, without a traceback, with exit code 1."""


class UserError(Exception):
    """Names the thing, the rule, the value and the way out, in one or two sentences."""
