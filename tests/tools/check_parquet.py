#!/usr/bin/env python3
"""Compare a Parquet output with what the live server answered when the snapshot was taken.

    check_parquet.py OUT EXPECTED_DIR

EXPECTED_DIR holds expected.{redis,dynamodb,s3,sqs}.json, as the corpora of the tests do. Every row is asked for with DuckDB; then pyarrow,
polars and pandas read the same files, and must count the same rows and give the same types. Exit 0: all is the same, 1: one line for each
difference.
"""
import ast, base64, decimal, glob, hashlib, json, os, sys

import duckdb
import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet

SLACK_MS = 5000


class Report:
    def __init__(self):
        self.checked, self.different = 0, 0

    def same(self, got, want, *words):
        self.checked += 1
        if got != want:
            self.different += 1
            print('DIFF', *words, 'want', repr(want)[:200], 'got', repr(got)[:200])


def files(out, name):
    return sorted(glob.glob(os.path.join(glob.escape(os.path.join(out, name)), '*.parquet')))


def rows(out, name):
    """The rows of a data set, as dicts."""
    found = files(out, name)
    if not found:
        return []
    relation = duckdb.read_parquet(found)
    return [dict(zip(relation.columns, row)) for row in relation.fetchall()]


def expected(folder, adapter):
    path = os.path.join(folder, f'expected.{adapter}.json')
    return json.load(open(path, encoding='utf-8')) if os.path.exists(path) else None


def b64(value):
    return base64.b64decode(value['b64'])


# ---- Redis ---------------------------------------------------------------------------------------------------
def redis(report, out, want):
    redis_rows(report, lambda kind: rows(out, 'redis/db_0/' + kind), want)


def redis_rows(report, rows_of, want):
    """Compares rows, by the name of their data set; the tests of the Python package call it too."""
    values = {}
    for kind in ('strings', 'hll'):
        for row in rows_of(kind):
            values[row['key']] = row['value']
    empty = {'hash': dict, 'list': list, 'set': set, 'zset': dict, 'stream': list}
    keys = {row['key']: row for row in rows_of('keys')}
    for key, row in keys.items():
        if row['type'] in empty:
            values[key] = empty[row['type']]()
    for row in rows_of('hashes'):
        values[row['key']][row['field']] = row['value']
    for row in rows_of('lists'):
        report.same(row['position'], len(values[row['key']]), 'position in', row['key'])
        values[row['key']].append(row['item'])
    for row in rows_of('sets'):
        values[row['key']].add(row['member'])
    for row in rows_of('zsets'):
        values[row['key']][row['member']] = repr(row['score'])
    for row in rows_of('streams'):
        fields = [(field['name'], field['value']) for field in row['fields']]
        values[row['key']].append((row['id'].encode(), fields))
        report.same(row['id'], f"{row['id_ms']}-{row['id_seq']}", 'ID in', row['key'])

    at = want['t_ms']
    wanted = {b64(key['key']): key for key in want['keys']}
    for key, row in keys.items():
        expire = row['expire_at_ms']
        report.same(row['expire_at'] is None, expire is None, 'expiry of', key)
        if expire is not None:
            report.same(round(row['expire_at'].timestamp() * 1000), expire, 'expiry of', key)
        # Only keys that were alive when the server was asked can be compared.
        if key not in wanted and (expire is None or expire > at + SLACK_MS):
            report.same(key, None, 'key that the server does not have')
    for key, asked in wanted.items():
        row = keys.get(key)
        report.same(row is not None, True, 'key', key)
        if row is None:
            continue
        kind = 'string' if row['type'] == 'hll' else row['type']
        report.same(kind, asked['type'], 'type of', key)
        if asked['pttl'] >= 0:
            near = row['expire_at_ms'] is not None and abs(row['expire_at_ms'] - at - asked['pttl']) <= SLACK_MS
            report.same(near, True, 'expiry of', key)
        else:
            report.same(row['expire_at_ms'], None, 'expiry of', key)
        if row['type'] != 'hll' and asked.get('value') is not None:
            report.same(*redis_value(kind, values[key], asked['value']), 'value of', key)


def redis_value(kind, got, value):
    if kind == 'string':
        return got, b64(value)
    if kind == 'hash':
        return got, {b64(field): b64(inner) for field, inner in value}
    if kind == 'list':
        return got, [b64(item) for item in value]
    if kind == 'set':
        return got, {b64(member) for member in value}
    if kind == 'zset':
        flat = [b64(part) for part in value]
        scores = [float(score.decode().lower().replace('+', '')) for score in flat[1::2]]
        return got, {member: repr(score) for member, score in zip(flat[::2], scores)}
    entries, folded = [], False
    for at, fields in value:
        if isinstance(fields, dict):  # the client folded repeated field names
            folded = True
            fields = [(ast.literal_eval(name), b64(inner)) for name, inner in fields.items()]
        else:
            fields = [(b64(name), b64(inner)) for name, inner in zip(fields[::2], fields[1::2])]
        entries.append((b64(at), fields))
    if folded:
        got = [(at, list(dict(fields).items())) for at, fields in got]
    return got, entries


# ---- DynamoDB ------------------------------------------------------------------------------------------------
def attribute(value, server):
    """An attribute in DynamoDB's JSON, in a form that can be compared."""
    (kind, inner), = value.items()
    binary = (lambda b: base64.b64decode(b['b64'])) if server else base64.b64decode
    if kind == 'B':
        return kind, binary(inner)
    if kind == 'BS':
        return kind, tuple(sorted(binary(member) for member in inner))
    if kind in ('SS', 'NS'):
        return kind, tuple(sorted(inner))
    if kind == 'L':
        return kind, tuple(attribute(member, server) for member in inner)
    if kind == 'M':
        return kind, tuple(sorted((name, attribute(member, server)) for name, member in inner.items()))
    return kind, inner


def plain(number):
    text = format(number, 'f')
    return text.rstrip('0').rstrip('.') if '.' in text else text


def item(row, names):
    """A row as the item that it was: columns, then what is in `_rest`."""
    got = {}
    for column, value in row.items():
        if column in ('_rest', '_commit_ts') or (column.endswith('__text') and column[:-6] in names):
            continue
        text = row.get(column + '__text')
        if text is not None and column + '__text' in names:
            got[column] = ('N', text)
        elif isinstance(value, bool):
            got[column] = ('BOOL', value)
        elif isinstance(value, str):
            got[column] = ('S', value)
        elif isinstance(value, bytes):
            got[column] = ('B', value)
        elif isinstance(value, decimal.Decimal):
            got[column] = ('N', plain(value))
        elif value is not None:
            got[column] = ('?', value)
    rest = json.loads(row['_rest']) if row['_rest'] else {}
    got.update({name: attribute(value, False) for name, value in rest.items()})
    return tuple(sorted(got.items()))


def dynamodb(report, out, want):
    tables = {}
    for path in glob.glob(os.path.join(glob.escape(out), 'dynamodb', '*.schema.json')):
        schema = json.load(open(path, encoding='utf-8'))
        folder = os.path.relpath(path[:-len('.schema.json')], out)
        found = rows(out, folder)
        names = set(found[0]) if found else set()
        tables[schema['table_name']] = sorted(item(row, names) for row in found)
        report.same(len(files(out, folder)) > 0, True, 'files of', folder)
    dynamodb_items(report, tables, want)


def dynamodb_items(report, tables, want):
    """Compares the items of tables, each table sorted."""
    report.same(sorted(tables), sorted(want), 'tables')
    for name, table in want.items():
        server = sorted(tuple(sorted((key, attribute(value, True)) for key, value in one.items())) for one in table['items'])
        got = tables.get(name, [])
        report.same(len(got), len(server), 'items of', name)
        for one, other in zip(got, server):
            report.same(one, other, 'item of', name)


# ---- S3 and SQS -------------------------------------------------------------------------------------------------
def s3(report, out, want):
    buckets = {}
    for path in glob.glob(os.path.join(glob.escape(out), 's3', '*', '_bucket.json')):
        folder = os.path.relpath(os.path.dirname(path), out)
        buckets[json.load(open(path, encoding='utf-8'))['name']] = {row['key']: row for row in rows(out, folder)}
        report.same(len(files(out, folder)) > 0, True, 'files of', folder)
    s3_objects(report, buckets, want)


def s3_objects(report, buckets, want):
    """Compares the rows of buckets, by key."""
    report.same(sorted(buckets), sorted(want), 'buckets')
    for name, objects in want.items():
        got = buckets.get(name, {})
        report.same(len(got), len(objects), 'objects of', name)
        for key, known in objects.items():
            # A listing cannot carry all bytes.
            raw = next((raw for raw in (key.encode('utf-8', how) for how in ('surrogatepass', 'surrogateescape')) if raw in got), None)
            if raw is None:
                report.same('\ufffd' in key, True, 'object', name, key)
                continue
            row = got[raw]
            report.same(row['size'], known['size'], 'size of', name, key)
            if 'err' in known:
                continue
            report.same(row['etag'], known['etag'].strip('"'), 'ETag of', name, key)
            for ours, theirs in (('content_encoding', 'ce'), ('cache_control', 'cc'), ('content_disposition', 'cd')):
                report.same(row[ours], known.get(theirs) or '', ours, name, key)
            metadata = {pair['name'].decode().lower(): pair['value'].decode() for pair in row['user_metadata']}
            report.same(metadata, {name.lower(): value for name, value in (known.get('meta') or {}).items()}, 'metadata of', name, key)


def sqs(report, out, want):
    queues = {}
    for path in glob.glob(os.path.join(glob.escape(out), 'sqs', '*.queue.json')):
        document = json.load(open(path, encoding='utf-8'))
        folder = os.path.relpath(path[:-len('.queue.json')], out)
        queues[document['name']] = rows(out, folder)
        report.same(len(files(out, folder)) > 0, True, 'files of', folder)
    sqs_messages(report, queues, want)


def sqs_messages(report, queues, want):
    """Compares the rows of queues."""
    report.same(sorted(queues), sorted(url.rsplit('/', 1)[1] for url in want), 'queues')
    for url, queue in want.items():
        name = url.rsplit('/', 1)[1]
        messages = queues.get(name, [])
        counts = ('ApproximateNumberOfMessages' + end for end in ('', 'Delayed', 'NotVisible'))
        if all(message['partition'] is None for message in messages):  # the server counts no partitioned queue
            report.same(len(messages), sum(int(queue['attrs'].get(count, 0)) for count in counts), 'messages of', name)
        for message in messages:
            report.same(hashlib.md5(message['body']).hexdigest(), message['md5_of_body'], 'body in', name)
        sent = [message['sent_ms'] for message in messages]
        report.same(sent, sorted(sent), 'order of', name)


# ---- other readers -------------------------------------------------------------------------------------------
def readers(report, out):
    """pyarrow, polars and pandas give what DuckDB gives: rows, nulls, and types that are no guesses."""
    folders = {os.path.dirname(path) for path in glob.glob(os.path.join(glob.escape(out), '**', '*.parquet'), recursive=True)}
    for folder in sorted(folders):
        name = os.path.relpath(folder, out)
        found = files(out, name)
        count = duckdb.read_parquet(found).aggregate('count(*)').fetchall()[0][0]
        for path in found:
            pyarrow.parquet.ParquetFile(path, page_checksum_verification=True).read()
        table = pyarrow.dataset.dataset(found, format='parquet').to_table()
        report.same(table.num_rows, count, 'rows of', name, 'in pyarrow')
        table.validate(full=True)
        frame = polars.read_parquet(found)
        report.same(frame.height, count, 'rows of', name, 'in polars')
        report.same(len(pandas.read_parquet(folder, engine='pyarrow')), count, 'rows of', name, 'in pandas')
        for column in table.schema:
            report.same(frame.schema[column.name] != polars.Null, True, 'type of', name, column.name, 'in polars')
            report.same(frame[column.name].null_count(), table[column.name].null_count, 'nulls of', name, column.name)
        if 'key' in table.column_names:
            keys = table['key'].to_pylist()
            report.same(keys, sorted(keys), 'order of', name)


def main(out, folder):
    report = Report()
    for adapter, check in (('redis', redis), ('dynamodb', dynamodb), ('s3', s3), ('sqs', sqs)):
        want = expected(folder, adapter)
        if want is not None:
            check(report, out, want)
    readers(report, out)
    print(f'{report.checked} things checked, {report.different} differences')
    return 1 if report.different or not report.checked else 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
