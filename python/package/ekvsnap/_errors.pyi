import os

class Error(Exception):
    reason: str
    family: str | None
    key: bytes | None
    offset: int | None
    input: os.PathLike[str] | None
    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        family: str | None = None,
        key: bytes | None = None,
        offset: int | None = None,
        input: os.PathLike[str] | None = None,
    ) -> None: ...

class DamageError(Error): ...
class UsageError(Error, ValueError): ...
class KeysError(Error): ...
class InputOutputError(Error): ...
class NumberText(str): ...
