"""The error that a user can fix. It is shown as its message, without a traceback, and the exit code is 1."""


class UserError(Exception):
    """An error whose message names the thing, the rule, the value and the remedy, in one or two sentences."""


def one_line(text: str) -> str:
    """Escape line ends, control codes and other characters that cannot be printed."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
