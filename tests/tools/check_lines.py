#!/usr/bin/env python3
"""Load lines with the scripts that stand beside them, and compare every row with the Parquet output of the same snapshot.

    check_lines.py LINES TABLES

LINES was written with --layout jsonl --loaders, TABLES with --layout parquet. DuckDB runs load.duckdb.sql; load_lines.py makes frames of
polars and pandas. Exit 0: all is the same, 1: one line for each difference.
"""
import base64, glob, json, os, sys

import duckdb
import polars

# A file of lines, its macro, its kind for Python, its folder of Parquet files.
ELEMENTS = [('hashes', 'redis_hashes'), ('lists', 'redis_lists'), ('sets', 'redis_sets'), ('zsets', 'redis_zsets'), ('streams', 'redis_streams')]
FEW = ('key', 'expire_at', 'expire_at_ms', 'elements')
OF_STREAM = ('key', 'expire_at', 'expire_at_ms', 'stream_length', 'stream_last_ms', 'stream_last_seq')


# What a line does not tell, or tells in another form.
NOT_IN_LINES = ('commit_ts', 'last_modified_hlc', 'user_metadata', 'parts')


class Report:
    def __init__(self):
        self.checked, self.different = 0, 0

    def same(self, got, want, *words):
        self.checked += len(want) or 1
        if repr(got) == repr(want):
            return
        self.different += 1
        first = next((pair for pair in zip(got, want) if repr(pair[0]) != repr(pair[1])), (len(got), len(want)))
        print('DIFF', *words, 'got', repr(first[0])[:300], 'want', repr(first[1])[:300])


def plain(value):
    """A value as any of the readers gives it: NaN and missing are told apart by columns."""
    if hasattr(value, 'timestamp'):
        return 'NaT' if value != value else round(value.timestamp() * 1000)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value.item() if hasattr(value, 'item') else value


def same_rows(report, connection, loader, what, macro, kind, lines, folder, names=None, where=''):
    """What DuckDB, polars and pandas make of lines is what Parquet has."""
    parts = sorted(glob.glob(os.path.join(glob.escape(folder), '*.parquet')))
    tables = connection.read_parquet(parts)
    names = list(names or (name for name in tables.columns if name not in NOT_IN_LINES))
    wanted = tables.filter(where) if where else tables
    wanted = wanted.project(', '.join(f'"{name}"' for name in names))
    want = [[plain(value) for value in row] for row in wanted.fetchall()]
    loaded = connection.sql(f'SELECT * FROM {macro}({quoted(lines)})').project(', '.join(f'"{name}"' for name in names))
    # DuckDB has no -0 in JSON.
    zero = lambda row: [0.0 if isinstance(value, float) and value == 0 else value for value in row]
    report.same([zero(map(plain, row)) for row in loaded.fetchall()], [zero(row) for row in want], what, 'in DuckDB')
    types = [str(of) for of in loaded.types], [str(of) for of in wanted.types]
    json_is_text = [[of.replace('JSON', 'VARCHAR') for of in side] for side in types]
    report.same(*json_is_text, what, 'types in DuckDB')
    frame = loader.polars(kind, lines).select(names)
    report.same([[plain(value) for value in row] for row in frame.rows()], want, what, 'in polars')
    theirs = polars.read_parquet(parts).select(names).schema
    # JSON is bytes to polars in Parquet.
    told = ['String' if name == 'message_attributes' else str(of) for name, of in theirs.items()]
    report.same(list(map(str, frame.dtypes)), told, what, 'types in polars')
    frame = loader.pandas(kind, lines)[names]
    got = [[none(value) for value in row] for row in zip(*(frame[name].tolist() for name in names))] if len(frame) else []
    report.same(got, [[none(value) for value in row] for row in want], what, 'in pandas')


def none(value):
    """Missing values of pandas."""
    import pandas
    if value is None or value is pandas.NA or value is pandas.NaT:
        return None
    return plain(value)


def quoted(path):
    return "'" + glob.escape(path).replace("'", "''") + "'"


def redis(report, connection, loader, lines, tables):
    base, folder = os.path.join(lines, 'redis/db_0'), os.path.join(tables, 'redis/db_0')
    if not os.path.isdir(base):
        return
    for kind in ('strings', 'hll'):
        same_rows(report, connection, loader, kind, 'redis_strings', 'redis/strings', f'{base}/{kind}.jsonl', f'{folder}/{kind}')
    for kind, macro in ELEMENTS:
        same_rows(report, connection, loader, kind, macro, f'redis/{kind}', f'{base}/{kind}.jsonl', f'{folder}/{kind}')
    for kind, of in (('hashes', 'hash'), ('lists', 'list'), ('sets', 'set'), ('zsets', 'zset')):
        same_rows(report, connection, loader, f'keys of {kind}', 'redis_keys', 'redis/keys', f'{base}/{kind}.jsonl', f'{folder}/keys', FEW, f"type = '{of}'")
    same_rows(report, connection, loader, 'keys of streams', 'redis_stream_keys', 'redis/stream_keys', f'{base}/streams.jsonl', f'{folder}/keys', OF_STREAM, "type = 'stream'")


def dynamodb(report, connection, loader, lines):
    """Items are the lines themselves: Parquet is compared with them elsewhere (tests/it/parquet.rs)."""
    for path in glob.glob(os.path.join(glob.escape(lines), 'dynamodb', '*.jsonl')):
        with open(path, 'rb') as file:
            want = [json.loads(line)['Item'] for line in file]
        got = connection.sql(f'SELECT item FROM dynamodb_items({quoted(path)})').fetchall()
        report.same([{name: json.loads(value) for name, value in row[0].items()} for row in got], want, path, 'in DuckDB')
        report.same([json.loads(item) for item in loader.polars('dynamodb/items', path)['item']], want, path, 'in polars')
        report.same([json.loads(item) for item in loader.pandas('dynamodb/items', path)['item']], want, path, 'in pandas')
        for item in want:
            for attribute in item.values():
                loader.value_of(attribute)


def traps(report, connection, loader, lines):
    """The lines that readers which guess load wrongly: tests/it/analysis.rs has made them."""
    strings = os.path.join(lines, 'redis/db_0/strings.jsonl')
    want = [(25_001, 1, 1_900_000_000_000, b'\xff\xfe', 1)]
    query = "SELECT count(*), count(expire_at), max(expire_at_ms), max(key), count(*) FILTER (key = 'k007'::BLOB AND value = '007'::BLOB) FROM redis_strings({})"
    report.same(connection.sql(query.format(quoted(strings))).fetchall(), want, 'strings', 'in DuckDB')
    for frame in (loader.polars('redis/strings', strings), loader.pandas('redis/strings', strings)):
        keys, values, expiries = ([none(one) for one in frame[name].to_list()] if hasattr(frame[name], 'to_list') else frame[name].tolist()
                                  for name in ('key', 'value', 'expire_at_ms'))
        kept = [ms for ms in expiries if ms is not None]
        got = [(len(keys), len(kept), kept[0], max(keys), sum(pair == (b'k007', b'007') for pair in zip(keys, values)))]
        report.same(got, want, 'strings', type(frame).__module__)
    items = os.path.join(lines, 'dynamodb/turns.jsonl')
    want = [(25_000, 1, 'late')]
    query = "SELECT count(item['v'] ->> 'N'), count(item['v'] ->> 'S'), max(item['v'] ->> 'S') FROM dynamodb_items({})"
    report.same(connection.sql(query.format(quoted(items))).fetchall(), want, 'items', 'in DuckDB')
    frame = loader.polars('dynamodb/items', items)
    of = lambda kind: polars.col('item').str.json_path_match(f'$.v.{kind}')
    report.same(frame.select(of('N').count(), of('S').count().alias('S'), of('S').max().alias('late')).rows(), want, 'items', 'in polars')
    values = [json.loads(item)['v'] for item in loader.pandas('dynamodb/items', items)['item']]
    got = [(sum('N' in value for value in values), sum('S' in value for value in values), max(value.get('S', '') for value in values))]
    report.same(got, want, 'items', 'in pandas')


def main(lines, tables):
    sys.path.insert(0, lines)
    import load_lines as loader
    report, connection = Report(), duckdb.connect()
    connection.execute(open(os.path.join(lines, 'load.duckdb.sql'), encoding='utf-8').read())
    redis(report, connection, loader, lines, tables)
    dynamodb(report, connection, loader, lines)
    for path in glob.glob(os.path.join(glob.escape(lines), 's3', '*', '_index.jsonl')):
        folder = os.path.join(tables, os.path.relpath(os.path.dirname(path), lines))
        same_rows(report, connection, loader, path, 's3_objects', 's3/objects', path, folder)
        bodies = connection.sql(f'SELECT path, size FROM s3_objects({quoted(path)})').fetchall()
        report.same([os.path.getsize(os.path.join(os.path.dirname(path), body)) for body, _ in bodies], [size for _, size in bodies], path, 'bodies')
    for path in glob.glob(os.path.join(glob.escape(lines), 'sqs', '*.jsonl')):
        name = os.path.basename(path)[:-len('.jsonl')]
        if name.endswith('.side'):
            records = connection.sql(f'SELECT * FROM sqs_side_records({quoted(path)})').fetchall()
            want = [json.loads(line) for line in open(path, 'rb')]
            b64 = lambda text: base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
            report.same(records, [(one['prefix'], bytes.fromhex(one['key_hex']), b64(one['value_b64'])) for one in want], path)
        elif not name.startswith('_'):
            same_rows(report, connection, loader, path, 'sqs_messages', 'sqs/messages', path, os.path.join(tables, 'sqs', name))
    metadata = os.path.join(lines, 'fs/metadata.jsonl')
    if os.path.exists(metadata):
        got = connection.sql(f'SELECT path, ino, size, mtime_ns, len(holes) FROM fs_files({quoted(metadata)})').fetchall()
        want = [json.loads(line) for line in open(metadata, 'rb')]
        path = lambda one: one['path'].encode() if one.get('path') is not None else base64.b64decode(one['path_b64']) if 'path_b64' in one else None
        report.same(got, [(path(one), int(one['ino']), int(one['size']), int(one['mtime_ns']), len(one['holes']) if 'holes' in one else None) for one in want], 'files')
        names = 'path, type, size, uid, gid, atime_ns, mtime_ns, ctime_ns, nlink'
        rows = connection.sql(f"SELECT {names}, inode FROM {quoted(os.path.join(tables, 'fs/files/*.parquet')).replace('[*]', '*')}").fetchall()
        report.same(connection.sql(f'SELECT {names}, ino FROM fs_files({quoted(metadata)})').fetchall(), rows, 'files in Parquet')
    if os.path.exists(os.path.join(lines, 'dynamodb/turns.jsonl')):
        traps(report, connection, loader, lines)
    print(f'{report.checked} things checked, {report.different} differences')
    return 1 if report.different or not report.checked else 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
