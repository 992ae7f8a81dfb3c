"""The one kind of error that a person can mend: shown as its message alone, without a traceback, with exit code 1."""


class UserError(Exception):
    """Names the thing, the rule, the value and the way out, in one or two sentences."""


def one_line(text: str) -> str:
    """With escapes for line ends, control codes and whatever else is not printed, which names and values of others may hold."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
