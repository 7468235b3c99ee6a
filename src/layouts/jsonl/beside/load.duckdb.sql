-- JSON lines of ekvsnap for DuckDB 1.3 and later: a macro for each kind of line, with the columns and types of docs/format/parquet.md.
--
--     .read load.duckdb.sql
--     SELECT try(decode(key)), expire_at FROM redis_strings('redis/db_0/strings.jsonl');
--
-- Every macro takes a path or a pattern of paths. Types are told, not guessed from the first lines: an expiry that comes late, an
-- attribute that changes its type and one binary key come out as they are. Keys and values are BLOB;
-- try(decode(key)) is their text, if they are UTF-8.
-- A line of more than 16 MiB is an error: max_line := 268435456 takes 256 MiB (DuckDB reserves twice that for each thread).

-- Bytes of a member that is text, or {"base64": …} where the bytes are not UTF-8.
CREATE OR REPLACE MACRO ekv_base64(text) AS
    from_base64(translate(text, '-_', '+/') || repeat('=', CAST((4 - length(text) % 4) % 4 AS INTEGER)));
CREATE OR REPLACE MACRO ekv_bytes(member) AS
    CASE json_type(member)
        WHEN 'VARCHAR' THEN encode(member ->> '$')
        WHEN 'OBJECT' THEN ekv_base64(member ->> '$.base64')
    END;
-- Unix milliseconds as a moment; null from the year 10000, which not every reader knows.
CREATE OR REPLACE MACRO ekv_moment(ms) AS
    CASE WHEN ms BETWEEN 0 AND 253402300799999 THEN make_timestamptz(CAST(ms AS BIGINT) * 1000) END;
CREATE OR REPLACE MACRO ekv_sent(ms) AS CASE WHEN ms <> 0 THEN ekv_moment(ms) END;
-- A score: a number, "+inf", "-inf" or "nan". DuckDB reads -0 in JSON as 0.
CREATE OR REPLACE MACRO ekv_score(member) AS CAST(member ->> '$' AS DOUBLE);

-- redis/db_0/strings.jsonl, hll.jsonl
CREATE OR REPLACE MACRO redis_strings(file, max_line := 16777216) AS TABLE
    SELECT ekv_bytes(key) AS key, ekv_bytes(value) AS value, ekv_moment(expire_at_ms) AS expire_at, expire_at_ms
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {key: 'JSON', value: 'JSON', expire_at_ms: 'UBIGINT'});

-- redis/db_0/hashes.jsonl, lists.jsonl, sets.jsonl, zsets.jsonl: the keys, empty collections too
CREATE OR REPLACE MACRO redis_keys(file, max_line := 16777216) AS TABLE
    SELECT ekv_bytes(key) AS key, ekv_moment(expire_at_ms) AS expire_at, expire_at_ms,
        CAST(len(coalesce(fields, items, members)) AS UBIGINT) AS elements
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {key: 'JSON', fields: 'JSON[]', items: 'JSON[]', members: 'JSON[]', expire_at_ms: 'UBIGINT'});

-- redis/db_0/hashes.jsonl: a row for each field
CREATE OR REPLACE MACRO redis_hashes(file, max_line := 16777216) AS TABLE
    SELECT key, ekv_bytes(pair.name) AS field, ekv_bytes(pair.value) AS value
    FROM (SELECT ekv_bytes(key) AS key, unnest(fields) AS pair
        FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
            columns = {key: 'JSON', fields: 'STRUCT(name JSON, value JSON)[]'}));

-- redis/db_0/lists.jsonl: a row for each item
CREATE OR REPLACE MACRO redis_lists(file, max_line := 16777216) AS TABLE
    SELECT key, CAST(nth - 1 AS UBIGINT) AS position, ekv_bytes(item) AS item
    FROM (SELECT ekv_bytes(key) AS key, unnest(items) AS item, generate_subscripts(items, 1) AS nth
        FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
            columns = {key: 'JSON', items: 'JSON[]'}));

-- redis/db_0/sets.jsonl: a row for each member
CREATE OR REPLACE MACRO redis_sets(file, max_line := 16777216) AS TABLE
    SELECT key, ekv_bytes(member) AS member
    FROM (SELECT ekv_bytes(key) AS key, unnest(members) AS member
        FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
            columns = {key: 'JSON', members: 'JSON[]'}));

-- redis/db_0/zsets.jsonl: a row for each member
CREATE OR REPLACE MACRO redis_zsets(file, max_line := 16777216) AS TABLE
    SELECT key, ekv_bytes(pair.member) AS member, ekv_score(pair.score) AS score
    FROM (SELECT ekv_bytes(key) AS key, unnest(members) AS pair
        FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
            columns = {key: 'JSON', members: 'STRUCT(member JSON, score JSON)[]'}));

-- redis/db_0/streams.jsonl: a row for each entry
CREATE OR REPLACE MACRO redis_streams(file, max_line := 16777216) AS TABLE
    SELECT ekv_bytes(key) AS key, id, CAST(split_part(id, '-', 1) AS UBIGINT) AS id_ms,
        CAST(split_part(id, '-', 2) AS UBIGINT) AS id_seq, ekv_moment(CAST(split_part(id, '-', 1) AS UBIGINT)) AS time,
        list_transform(fields, lambda pair: {name: ekv_bytes(pair.name), value: ekv_bytes(pair.value)}) AS fields
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {key: 'JSON', id: 'VARCHAR', fields: 'STRUCT(name JSON, value JSON)[]'})
    WHERE id IS NOT NULL;

-- redis/db_0/streams.jsonl: a row for each stream
CREATE OR REPLACE MACRO redis_stream_keys(file, max_line := 16777216) AS TABLE
    SELECT ekv_bytes(key) AS key, ekv_moment(expire_at_ms) AS expire_at, expire_at_ms,
        length AS stream_length, last_ms AS stream_last_ms, last_seq AS stream_last_seq
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {key: 'JSON', _meta: 'BOOLEAN', length: 'BIGINT', last_ms: 'UBIGINT', last_seq: 'UBIGINT', expire_at_ms: 'UBIGINT'})
    WHERE _meta;

-- dynamodb/TABLE.jsonl: item['price'] ->> 'N' is the text of a number, item['name'] ->> 'S' that of a string, whatever
-- type the attribute has in other items; json_keys(item['price'])[1] is the type.
CREATE OR REPLACE MACRO dynamodb_items(file, max_line := 16777216) AS TABLE
    SELECT Item AS item
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line, columns = {Item: 'MAP(VARCHAR, JSON)'});

-- s3/BUCKET/_index.jsonl: path is the file of the body; parts is null where the object was uploaded as a whole
CREATE OR REPLACE MACRO s3_objects(file, max_line := 16777216) AS TABLE
    SELECT ekv_bytes(key) AS key, path, size_bytes AS size, coalesce(etag, '') AS etag,
        TRY_CAST(last_modified AS TIMESTAMPTZ) AS last_modified, coalesce(content_type, '') AS content_type,
        coalesce(content_encoding, '') AS content_encoding, coalesce(cache_control, '') AS cache_control,
        coalesce(content_disposition, '') AS content_disposition, user_metadata,
        CAST(len(parts) AS UBIGINT) AS parts
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {key: 'JSON', path: 'VARCHAR', size_bytes: 'BIGINT', etag: 'VARCHAR', last_modified: 'VARCHAR',
            content_type: 'VARCHAR', content_encoding: 'VARCHAR', cache_control: 'VARCHAR', content_disposition: 'VARCHAR',
            user_metadata: 'MAP(VARCHAR, VARCHAR)', parts: 'STRUCT(part_no UBIGINT, etag VARCHAR, size_bytes BIGINT)[]'});

-- sqs/QUEUE.jsonl
CREATE OR REPLACE MACRO sqs_messages(file, max_line := 16777216) AS TABLE
    SELECT message_id, ekv_bytes(body) AS body, coalesce(md5_of_body, '') AS md5_of_body,
        coalesce(md5_of_message_attributes, '') AS md5_of_message_attributes, message_attributes,
        coalesce(sender_id, '') AS sender_id,
        ekv_sent(send_timestamp_millis) AS sent, send_timestamp_millis AS sent_ms,
        ekv_sent(available_at_millis) AS available, available_at_millis AS available_ms,
        ekv_sent(visible_at_millis) AS visible, visible_at_millis AS visible_ms,
        ekv_sent(coalesce(first_receive_millis, 0)) AS first_received, coalesce(first_receive_millis, 0) AS first_received_ms,
        receive_count, queue_generation, coalesce(message_group_id, '') AS message_group_id,
        coalesce(message_deduplication_id, '') AS message_deduplication_id, coalesce(sequence_number, 0) AS sequence_number,
        coalesce(dead_letter_source_arn, '') AS dead_letter_source_arn, partition
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {message_id: 'VARCHAR', body: 'JSON', md5_of_body: 'VARCHAR', md5_of_message_attributes: 'VARCHAR',
            message_attributes: 'JSON', sender_id: 'VARCHAR', send_timestamp_millis: 'BIGINT', available_at_millis: 'BIGINT',
            visible_at_millis: 'BIGINT', receive_count: 'BIGINT', first_receive_millis: 'BIGINT', queue_generation: 'UBIGINT',
            message_group_id: 'VARCHAR', message_deduplication_id: 'VARCHAR', sequence_number: 'UBIGINT',
            dead_letter_source_arn: 'VARCHAR', partition: 'UBIGINT'});

-- sqs/QUEUE.side.jsonl
CREATE OR REPLACE MACRO sqs_side_records(file, max_line := 16777216) AS TABLE
    SELECT prefix, unhex(key_hex) AS key, ekv_base64(value_b64) AS value
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {prefix: 'VARCHAR', key_hex: 'VARCHAR', value_b64: 'VARCHAR'});

-- fs/metadata.jsonl: times are nanoseconds since 1970; path is null below a directory whose line tells the rest of it
CREATE OR REPLACE MACRO fs_files(file, max_line := 16777216) AS TABLE
    SELECT coalesce(encode(path), from_base64(path_b64)) AS path, parent_ino, coalesce(encode(name), from_base64(name_b64)) AS name,
        coalesce(encode(tree), from_base64(tree_b64)) AS tree, ino, type, mode, uid, gid, size, atime_ns, mtime_ns, ctime_ns, nlink,
        generation, chunk_size, home_slot, epoch, sha256, sha256_extents, stored_bytes, holes,
        coalesce(encode(hardlink_to), from_base64(hardlink_to_b64)) AS hardlink_to, notes
    FROM read_json(file, format = 'newline_delimited', maximum_object_size = max_line,
        columns = {path: 'VARCHAR', path_b64: 'VARCHAR', parent_ino: 'UBIGINT', name: 'VARCHAR', name_b64: 'VARCHAR',
            tree: 'VARCHAR', tree_b64: 'VARCHAR', ino: 'UBIGINT', type: 'VARCHAR', mode: 'VARCHAR', uid: 'UBIGINT', gid: 'UBIGINT',
            size: 'UBIGINT', atime_ns: 'HUGEINT', mtime_ns: 'HUGEINT', ctime_ns: 'HUGEINT', nlink: 'HUGEINT', generation: 'UBIGINT',
            chunk_size: 'HUGEINT', home_slot: 'UBIGINT', epoch: 'UBIGINT', sha256: 'VARCHAR', sha256_extents: 'VARCHAR',
            stored_bytes: 'UBIGINT', holes: 'UBIGINT[2][]', hardlink_to: 'VARCHAR', hardlink_to_b64: 'VARCHAR', notes: 'VARCHAR[]'});
