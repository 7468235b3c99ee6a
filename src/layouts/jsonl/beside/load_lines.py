"""JSON lines of ekvsnap for pandas and polars (Python 3.9 and later), with the columns and types of docs/format/parquet.md.

    import load_lines
    strings = load_lines.polars('redis/strings', 'redis/db_0/strings.jsonl')
    orders = load_lines.pandas('dynamodb/items', 'dynamodb/orders.jsonl')

Kinds of lines: redis/strings (hll.jsonl too), redis/hashes, redis/lists, redis/sets, redis/zsets, redis/streams, redis/keys (keys and
expiries of hashes, lists, sets and sorted sets), redis/stream_keys, dynamodb/items, s3/objects, sqs/messages.

Types are told, not guessed: read_json of pandas makes 7 of the key "007" and floating-point numbers of expiries, and guessing from the
first lines loses what comes late. One process reads some ten MB a second: for much data, or many cores, take DuckDB
(load.duckdb.sql) or --layout parquet.
"""
import base64
import json

LAST_MS = 253_402_300_799_999  # the end of the year 9999: readers know no later moment


def binary(value):
    """The bytes of a member: text, or {"base64": …} where they are not UTF-8."""
    if isinstance(value, str):
        return value.encode()
    text = value['base64']
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def moment(ms):
    """Unix milliseconds that readers know as a moment."""
    return ms if ms is not None and 0 <= ms <= LAST_MS else None


def sent(ms):
    """The same of a message, where 0 is no moment."""
    return moment(ms) if ms else None


def value_of(attribute):
    """A value of DynamoDB as one of Python; numbers as decimal.Decimal, which loses no digit."""
    import decimal
    (kind, value), = attribute.items()
    if kind == 'N':
        return decimal.Decimal(value)
    if kind == 'B':
        return base64.b64decode(value)
    if kind == 'NS':
        return {decimal.Decimal(number) for number in value}
    if kind == 'BS':
        return {base64.b64decode(one) for one in value}
    if kind == 'SS':
        return set(value)
    if kind == 'L':
        return [value_of(one) for one in value]
    if kind == 'M':
        return {name: value_of(one) for name, one in value.items()}
    return None if kind == 'NULL' else value


def _expiry(line):
    return moment(line['expire_at_ms']), line['expire_at_ms']


def _strings(line):
    yield (binary(line['key']), binary(line['value']), *_expiry(line))


def _keys(line):
    elements = next(line[name] for name in ('fields', 'items', 'members') if name in line)
    yield (binary(line['key']), *_expiry(line), len(elements))


def _hashes(line):
    key = binary(line['key'])
    for field in line['fields']:
        yield key, binary(field['name']), binary(field['value'])


def _lists(line):
    key = binary(line['key'])
    for position, item in enumerate(line['items']):
        yield key, position, binary(item)


def _sets(line):
    key = binary(line['key'])
    for member in line['members']:
        yield key, binary(member)


def _zsets(line):
    key = binary(line['key'])
    for member in line['members']:
        yield key, binary(member['member']), float(member['score'])


def _streams(line):
    if '_meta' not in line:
        ms, seq = map(int, line['id'].split('-'))
        fields = [{name: binary(field[name]) for name in ('name', 'value')} for field in line['fields']]
        yield binary(line['key']), line['id'], ms, seq, moment(ms), fields


def _stream_keys(line):
    if '_meta' in line:
        yield (binary(line['key']), *_expiry(line), line['length'], line['last_ms'], line['last_seq'])


def _items(line):
    yield (json.dumps(line['Item'], ensure_ascii=False, separators=(',', ':')),)


def _objects(line):
    import datetime
    try:
        at = datetime.datetime.fromisoformat(line['last_modified'].replace('Z', '+00:00'))
        since = at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        modified = since // datetime.timedelta(milliseconds=1)
    except (KeyError, ValueError):  # it has none, or one beyond the year 9999
        modified = None
    pairs = [{'name': name, 'value': value} for name, value in line.get('user_metadata', {}).items()]
    text = [line.get(name, '') for name in ('content_type', 'content_encoding', 'cache_control', 'content_disposition')]
    yield (binary(line['key']), line['path'], line['size_bytes'], line.get('etag', ''), modified, *text, pairs,
           len(line['parts']) if 'parts' in line else None)


def _messages(line):
    text = lambda name: line.get(name, '')
    first = line.get('first_receive_millis', 0)
    attributes = line.get('message_attributes')
    yield (line['message_id'], binary(line['body']), text('md5_of_body'), text('md5_of_message_attributes'),
           None if attributes is None else json.dumps(attributes, ensure_ascii=False, separators=(',', ':')), text('sender_id'),
           sent(line['send_timestamp_millis']), line['send_timestamp_millis'],
           sent(line['available_at_millis']), line['available_at_millis'],
           sent(line['visible_at_millis']), line['visible_at_millis'], sent(first), first, line['receive_count'],
           line['queue_generation'], text('message_group_id'), text('message_deduplication_id'), line.get('sequence_number', 0),
           text('dead_letter_source_arn'), line.get('partition'))


_EXPIRY = 'expire_at moment, expire_at_ms u64'
# Of each kind: what makes rows of a line, and the columns.
KINDS = {
    'redis/strings': (_strings, 'key bytes, value bytes, ' + _EXPIRY),
    'redis/keys': (_keys, 'key bytes, ' + _EXPIRY + ', elements u64'),
    'redis/hashes': (_hashes, 'key bytes, field bytes, value bytes'),
    'redis/lists': (_lists, 'key bytes, position u64, item bytes'),
    'redis/sets': (_sets, 'key bytes, member bytes'),
    'redis/zsets': (_zsets, 'key bytes, member bytes, score f64'),
    'redis/streams': (_streams, 'key bytes, id text, id_ms u64, id_seq u64, time moment, fields pairs'),
    'redis/stream_keys': (_stream_keys,
                          'key bytes, ' + _EXPIRY + ', stream_length i64, stream_last_ms u64, stream_last_seq u64'),
    'dynamodb/items': (_items, 'item text'),
    's3/objects': (_objects,
                   'key bytes, path text, size i64, etag text, last_modified moment, content_type text, content_encoding text, '
                   'cache_control text, content_disposition text, user_metadata text_pairs, parts u64'),
    'sqs/messages': (_messages,
                     'message_id text, body bytes, md5_of_body text, md5_of_message_attributes text, message_attributes text, '
                     'sender_id text, sent moment, sent_ms i64, available moment, available_ms i64, visible moment, visible_ms i64, '
                     'first_received moment, first_received_ms i64, receive_count i64, queue_generation u64, message_group_id text, '
                     'message_deduplication_id text, sequence_number u64, dead_letter_source_arn text, partition u64'),
}


def columns(kind):
    """Names and types of the columns of a kind."""
    return [column.rsplit(' ', 1) for column in KINDS[kind][1].split(', ')]


def rows(kind, *paths):
    """The rows of files, one by one: tuples."""
    of_line = KINDS[kind][0]
    # As a whole number -0 would be 0.
    parse_int = float if kind == 'redis/zsets' else None
    for path in paths:
        with open(path, 'rb') as lines:
            for line in lines:
                yield from of_line(json.loads(line, parse_int=parse_int))


def polars(kind, *paths):
    """A data frame of polars."""
    import polars as pl
    pairs = lambda kind: pl.List(pl.Struct({'name': kind, 'value': kind}))
    types = {'bytes': pl.Binary, 'text': pl.String, 'u64': pl.UInt64, 'i64': pl.Int64, 'f64': pl.Float64,
             'moment': pl.Datetime('ms', 'UTC'), 'pairs': pairs(pl.Binary), 'text_pairs': pairs(pl.String)}
    named = columns(kind)
    series = list(zip(*rows(kind, *paths))) or [()] * len(named)
    # Moments come as numbers, and are made moments as a whole.
    made = [pl.Series(name, values, dtype=pl.Int64).cast(types[of]) if of == 'moment' else pl.Series(name, values, dtype=types[of])
            for (name, of), values in zip(named, series)]
    return pl.DataFrame(made)


def pandas(kind, *paths):
    """A data frame of pandas. Bytes, text and pairs are Python objects; whole numbers can be missing, so they are Int64 and UInt64."""
    import numpy
    import pandas as pd
    types = {'u64': 'UInt64', 'i64': 'Int64', 'f64': 'float64'}

    def made(of, values):
        if of == 'moment':
            values = ['NaT' if ms is None else ms for ms in values]
            return pd.Series(numpy.array(values, 'datetime64[ms]')).dt.tz_localize('UTC')
        return pd.Series(list(values), dtype=types.get(of, object))

    named = columns(kind)
    series = list(zip(*rows(kind, *paths))) or [()] * len(named)
    return pd.DataFrame({name: made(of, values) for (name, of), values in zip(named, series)})
