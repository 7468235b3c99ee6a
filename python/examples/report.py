# %% [markdown]
# # What is in a snapshot?
# A notebook as a script: each `# %%` is a cell. `python report.py SNAPSHOT…`

# %%
import sys

import duckdb
import polars
import pyarrow

import ekvsnap

snapshot = ekvsnap.open(sys.argv[1:])
print(snapshot)

# %% [markdown]
# ## Redis: which prefixes take the memory, and what expires?

# %%
keys = snapshot.redis.keys()
print(
    duckdb.sql(
        """
        SELECT split_part(decode(key), ':', 1) AS prefix, type, count(*) AS keys, sum(bytes) AS bytes,
               count(expire_at_ms) AS expiring, max(expire_at) AS last_expiry
        FROM keys WHERE try(decode(key)) IS NOT NULL
        GROUP BY ALL ORDER BY bytes DESC, prefix LIMIT 10
        """
    )
)

# %% [markdown]
# ## DynamoDB: every table as a data frame

# %%
for name in snapshot.dynamodb.tables:
    frame = polars.DataFrame(snapshot.dynamodb.table(name))
    print(name, frame.shape, "with all types:", dict(frame.schema))

# %% [markdown]
# ## S3: bytes by bucket and content type, streamed batch by batch

# %%
sizes = {}
for batch in pyarrow.RecordBatchReader.from_stream(snapshot.s3.objects()):
    for row in batch.select(["bucket", "content_type", "size"]).to_pylist():
        kind = (row["bucket"], row["content_type"])
        sizes[kind] = sizes.get(kind, 0) + row["size"]
for (bucket, content_type), size in sorted(sizes.items()):
    print(f"{bucket:20} {content_type:30} {size:>12}")

# %% [markdown]
# ## SQS: messages that were received often

# %%
for name in snapshot.sqs.queues:
    often = [message for message in snapshot.sqs.queue(name) if message["receive_count"] > 1]
    print(name, len(often), "messages were received more than once")

# %% [markdown]
# ## Files: what is largest?

# %%
files = snapshot.fs.files()
print(duckdb.sql("SELECT decode(path) AS path, size, mtime FROM files WHERE try(decode(path)) IS NOT NULL ORDER BY size DESC, path LIMIT 5"))
for directory in snapshot.fs.files(match="docs"):
    print(directory["path"], directory["type"], directory["mtime"])
