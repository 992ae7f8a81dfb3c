"""The error of this room."""

from veritable.errors import UserError, one_line

_HALF = 1000  # number of characters kept at each end of a long message


class TableError(UserError):
    """Table that cannot be read, split or encoded. The message is one line of limited length, whatever names it quotes."""

    def __init__(self, sentence: str):
        plain = one_line(sentence)
        super().__init__(plain if len(plain) <= 2 * _HALF else f"{plain[:_HALF]} ... {plain[-_HALF:]}")
