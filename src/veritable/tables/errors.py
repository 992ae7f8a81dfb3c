"""What is wrong with a table, in words."""

from veritable.errors import UserError, one_line

_HALF = 1000  # characters


class TableError(UserError):
    """A table that cannot be read, split or encoded as asked. Stays on one line of some length, whatever names it quotes."""

    def __init__(self, sentence: str):
        plain = one_line(sentence)
        super().__init__(plain if len(plain) <= 2 * _HALF else f"{plain[:_HALF]} ... {plain[-_HALF:]}")
