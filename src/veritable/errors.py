"""The error that a user can fix. It is shown as its message, without a traceback, and the exit code is 1."""

_HALF = 1000  # number of characters kept at each end of the message of a TableError


class UserError(Exception):
    """Error whose message names the thing, the rule, the value and the remedy, in one or two sentences."""


def one_line(text: str) -> str:
    """Escape line ends, control codes and other characters that cannot be printed."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class TableError(UserError):
    """Table that cannot be read, split or encoded. The message is one line of limited length, whatever names it quotes."""

    def __init__(self, sentence: str):
        plain = one_line(sentence)
        super().__init__(plain if len(plain) <= 2 * _HALF else f"{plain[:_HALF]} ... {plain[-_HALF:]}")
