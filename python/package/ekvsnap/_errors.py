"""Exceptions, and the class of numbers that are no decimals."""


class Error(Exception):
    """Something that ekvsnap could not do.

    ``reason`` is what is wrong, without the place; ``family`` (the prefix of the rows), ``key`` (its first 512 bytes), ``offset``
    (bytes from the start of the input) and ``input`` (its path) are the place, or ``None`` where there is none.
    """

    def __init__(self, message, *, reason=None, family=None, key=None, offset=None, input=None):
        super().__init__(message)
        self.reason = message if reason is None else reason
        self.family = family
        self.key = key
        self.offset = offset
        self.input = input


class DamageError(Error):
    """The snapshot is damaged, or is none."""


class UsageError(Error, ValueError):
    """A request that cannot be met, such as a table that is not there."""


class KeysError(Error):
    """The keys of encrypted rows are missing, or cannot be used."""


class InputOutputError(Error):
    """The operating system refused something."""


class NumberText(str):
    """A number of DynamoDB whose text ``decimal.Decimal`` does not understand, as it was stored."""

    __slots__ = ()
