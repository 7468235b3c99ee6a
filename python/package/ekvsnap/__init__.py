"""elastickv snapshots: their objects as Arrow streams and as Python objects.

>>> import ekvsnap
>>> snapshot = ekvsnap.open("snapshot.fsm")
>>> pyarrow.table(snapshot.redis.hashes())
>>> polars.DataFrame(snapshot.dynamodb.table("orders"))
>>> for message in snapshot.sqs.queue("jobs"):
...     print(message["body"])
"""

from ._ekvsnap import DynamoDb, FileSystem, Redis, Rows, S3, Snapshot, Sqs, __version__, diff, open
from ._errors import DamageError, Error, InputOutputError, KeysError, NumberText, UsageError

__all__ = [
    "DamageError", "DynamoDb", "Error", "FileSystem", "InputOutputError", "KeysError", "NumberText", "Redis", "Rows", "S3", "Snapshot", "Sqs",
    "UsageError", "__version__", "diff", "open",
]
