import datetime
import decimal
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, final

from ._errors import DamageError as DamageError
from ._errors import Error as Error
from ._errors import InputOutputError as InputOutputError
from ._errors import KeysError as KeysError
from ._errors import NumberText as NumberText
from ._errors import UsageError as UsageError

__version__: str

_Path = str | os.PathLike[str]
_Value = (
    None | bool | int | float | str | bytes | decimal.Decimal | datetime.datetime | set[Any] | list[Any] | dict[str, Any]
)

def open(
    paths: _Path | Sequence[_Path],
    *,
    kek: _Path | None = None,
    keys_json: _Path | Sequence[_Path] | None = None,
    dek: Mapping[int, _Path] | None = None,
    as_of: int | None = None,
) -> Snapshot:
    """Open snapshot files, or data directories of servers, as one data set.

    ``kek`` is the servers' key file, ``keys_json`` the ``keys.json`` of a node if it is elsewhere, ``dek`` data keys by their IDs: for encrypted
    snapshots. ``as_of`` is a commit timestamp (HLC): versions above it do not exist.
    """

def diff(a: Snapshot | _Path, b: Snapshot | _Path) -> Rows:
    """Objects in which two snapshots differ: ``change`` (``added``, ``removed``, ``changed``), ``adapter``, ``scope``, ``kind``, ``key``, ``range``
    (a sort key of DynamoDB), ``parts`` (what differs), and the sizes ``before`` and ``after``."""

_Progress = Callable[[str, int, int, int], object]

@final
class Snapshot:
    """Snapshots that are open. They are indexed once, when something is first read; any number of threads can read at once."""

    @property
    def redis(self) -> Redis: ...
    @property
    def dynamodb(self) -> DynamoDb: ...
    @property
    def s3(self) -> S3: ...
    @property
    def sqs(self) -> Sqs: ...
    @property
    def fs(self) -> FileSystem: ...
    def diff(self, other: Snapshot) -> Rows:
        """As :func:`diff`, from this one to the other."""
    def get(self, name: str | bytes) -> bytes | None:
        """One object, as ``ekvsnap get`` prints it: the bytes of a Redis string, an S3 object or a file, else JSON.

        Names are those of the program: ``redis:KEY``, ``dynamodb:TABLE/PK[/SK]``, ``s3:BUCKET/KEY``, ``sqs:QUEUE[/ID]``, ``fs:/PATH``.
        """
    def inspect(
        self,
        *,
        objects: bool = True,
        top: int = 20,
        prefix_depth: int = 1,
        scope: Iterable[str] = (),
        exclude: Iterable[str] = (),
        progress: _Progress | None = None,
    ) -> dict[str, Any]:
        """What is in the snapshot: the document of ``ekvsnap inspect --json``."""
    def decode(
        self,
        out: _Path,
        *,
        layout: Literal["tree", "jsonl", "parquet"] = "tree",
        format: Literal["dir", "tar", "tar.zst", "tar.gz"] | None = None,
        adapters: Iterable[str] | None = None,
        scope: Iterable[str] = (),
        exclude: Iterable[str] = (),
        types: Iterable[str] = (),
        threads: int = 0,
        force: bool = False,
        fsync: bool | None = None,
        on_error: Literal["fail", "skip"] = "fail",
        include_orphans: bool = False,
        for_restore: bool = False,
        progress: _Progress | None = None,
    ) -> dict[str, Any]:
        """Decode to a new directory or archive, as ``ekvsnap decode`` does. Gives ``files``, ``bytes``, ``warnings``, ``skipped``, ``manifest``, ….

        ``progress`` is called with a stage, its steps done, its steps in all (0: nobody knows) and the bytes written. What it raises ends the
        decode, as Ctrl-C does: nothing is left behind then.
        """

@final
class Rows:
    """Objects of one kind. Each use reads them anew, in a thread of its own, with a few MiB of memory.

    pyarrow, polars, DuckDB and pandas take it as it is; a loop gives a dictionary for each row, or for each item of a DynamoDB table.
    """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __iter__(self) -> Iterator[dict[str, _Value]]: ...
    @property
    def columns(self) -> list[str]:
        """Names of the columns of the Arrow stream."""
    @property
    def error(self) -> BaseException | None:
        """The exception that ended the last Arrow stream: its reader raises one of its own, with the same text."""

@final
class Redis:
    """Redis keys; ``match`` chooses keys by a pattern, as ``--scope redis:PATTERN`` does."""

    def keys(self, match: str | None = None) -> Rows: ...
    def strings(self, match: str | None = None) -> Rows: ...
    def hll(self, match: str | None = None) -> Rows: ...
    def hashes(self, match: str | None = None) -> Rows: ...
    def lists(self, match: str | None = None) -> Rows: ...
    def sets(self, match: str | None = None) -> Rows: ...
    def zsets(self, match: str | None = None) -> Rows: ...
    def streams(self, match: str | None = None) -> Rows: ...

@final
class DynamoDb:
    """DynamoDB tables."""

    @property
    def tables(self) -> list[str]: ...
    def table(self, name: str) -> Rows: ...

@final
class S3:
    """S3 buckets. Bodies are checked, but not given."""

    @property
    def buckets(self) -> list[str]: ...
    def objects(self, bucket: str | None = None) -> Rows: ...

@final
class Sqs:
    """SQS queues. Messages come in the order of sending."""

    @property
    def queues(self) -> list[str]: ...
    def queue(self, name: str) -> Rows: ...

@final
class FileSystem:
    """The file system; ``match`` chooses a path and all below it."""

    def files(self, match: str | None = None) -> Rows: ...
