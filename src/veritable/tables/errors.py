"""What is wrong with a table, in words."""

from veritable.errors import UserError


class TableError(UserError):
    """A table that cannot be read, split or encoded as asked."""
