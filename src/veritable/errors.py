"""The one kind of error that a person can mend: shown as its message alone, without a traceback, with exit code 1."""

_HALF = 1000  # number of characters kept at each end of the message of a TableError


class UserError(Exception):
    """Names the thing, the rule, the value and the way out, in one or two sentences."""


def one_line(text: str) -> str:
    """With escapes for line ends, control codes and whatever else is not printed, which names and values of others may hold."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class TableError(UserError):
    """Table that cannot be read, split or encoded. The message is one line of limited length, whatever names it quotes."""

    def __init__(self, sentence: str):
        plain = one_line(sentence)
        super().__init__(plain if len(plain) <= 2 * _HALF else f"{plain[:_HALF]} ... {plain[-_HALF:]}")
