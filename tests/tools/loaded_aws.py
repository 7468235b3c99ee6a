#!/usr/bin/env python3
"""Reads back what was loaded into moto, and compares it with an output in lines.

loaded_aws.py ADAPTER ENDPOINT LINES TOLD: TOLD has the JSON lines of the load. What it has told of by name may differ; nothing else may.
Exit 0 if nothing differs, 1 with a line for each difference.
"""
import base64, hashlib, json, os, sys, urllib.request
from decimal import Decimal

import boto3
from botocore.config import Config

adapter, endpoint, lines, told = sys.argv[1:]
events = [json.loads(line) for line in open(told, encoding="utf-8")]
said = {event["name"] for event in events if event["event"] == "left_out" or (adapter != "dynamodb" and event["event"] == "changed")}
root = os.path.join(lines, adapter)
bad = []


def client(name):
    config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(name, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="t",
                        aws_secret_access_key="t", config=config)


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file.read().split("\n") if line]


def raw(value):
    if isinstance(value, dict):
        text = value["base64"]
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return value.encode()


def typed(data):
    """The part of a name, as the program writes it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    plain = text is not None and not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u061c\u200e\u200f\u2028\u2029"
                                         or 0x202a <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069 for c in text)
    return text if plain else "base64:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def name(*parts):
    return adapter + ":" + "/".join(typed(part) for part in parts)


def differs(what, *words):
    if what not in said:
        bad.append((what, *words))


def plain(value):
    """A value that can be compared: numbers by value, sets without order."""
    if not isinstance(value, dict):
        return "?", value
    (kind, inner), = value.items()
    if kind == "N":
        return kind, Decimal(inner)
    if kind == "NS":
        return kind, sorted(Decimal(n) for n in inner)
    if kind in ("SS", "BS"):
        return kind, sorted(binary(one) for one in inner)
    if kind == "L":
        return kind, [plain(one) for one in inner]
    if kind == "M":
        # moto 5.2 puts the value of an attribute without a name in the place of the attribute.
        inner = {**{key: one for key, one in inner.items() if key}, **inner.get("", {})}
        return kind, {key: plain(one) for key, one in inner.items()}
    return kind, binary(inner) if kind == "B" else inner


def binary(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def bytes_of(value):
    (kind, inner), = value.items()
    return base64.b64decode(binary(inner)) if kind == "B" else inner.encode()


def scan(table):
    """All items, without a client: boto3 cannot read all that moto gives."""
    start = {}
    while True:
        headers = {"X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0",
                   "Authorization": "AWS4-HMAC-SHA256 Credential=t/20260101/us-east-1/dynamodb/aws4_request"}
        body = json.dumps({"TableName": table, **start}).encode()
        page = json.load(urllib.request.urlopen(urllib.request.Request(endpoint, body, headers)))
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def dynamodb():
    service, count = client("dynamodb"), 0
    for file in sorted(os.listdir(root)):
        if not file.endswith(".schema.json"):
            continue
        schema = json.load(open(os.path.join(root, file), encoding="utf-8"))
        table = schema["table_name"]
        if name(table.encode()) in said:
            continue
        description = service.describe_table(TableName=table)["Table"]
        wanted = sorted(index["name"] for index in schema.get("global_secondary_indexes") or [])
        found = sorted(index["IndexName"] for index in description.get("GlobalSecondaryIndexes") or [])
        if wanted != found:
            differs(name(table.encode()), "indexes", wanted, found)
        keys = [part["AttributeName"] for part in description["KeySchema"]]
        there = {}
        for item in scan(table):
            there[tuple(str(plain(item[key])) for key in keys)] = item
        for line in rows(os.path.join(root, file.replace(".schema.json", ".jsonl"))):
            item = line["Item"]
            count += 1
            found = there.pop(tuple(str(plain(item[key])) for key in keys), None)
            who = name(table.encode(), *(bytes_of(item[key]) for key in keys))
            if found is None or {k: plain(v) for k, v in found.items()} != {k: plain(v) for k, v in item.items()}:
                differs(who, item, found)
        bad.extend((table, "more", item) for item in there.values())
    return count


def s3():
    service, count = client("s3"), 0
    for bucket in sorted(os.listdir(root)):
        index = os.path.join(root, bucket, "_index.jsonl")
        if not os.path.exists(index):
            continue
        # What a reader of the bucket needs is a grant to everybody.
        acl = json.load(open(os.path.join(root, bucket, "_bucket.json"))).get("acl", "")
        grants = service.get_bucket_acl(Bucket=bucket)["Grants"]
        public = any(grant["Grantee"].get("URI", "").endswith("/AllUsers") for grant in grants)
        if public != (acl == "public-read"):
            bad.append((bucket, "acl", acl, grants))
        there = set()
        for page in service.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            there.update(entry["Key"] for entry in page.get("Contents", []))
        for line in rows(index):
            key = raw(line["key"])
            count += 1
            who = name(bucket.encode(), key)
            try:
                text = key.decode()
                found = service.get_object(Bucket=bucket, Key=text)
            except Exception as error:
                differs(who, str(error)[:100])
                continue
            there.discard(text)
            path = line["path"] if isinstance(line["path"], str) else os.fsdecode(raw(line["path"]))
            body = open(os.path.join(root, bucket, path), "rb").read()
            if hashlib.sha256(found["Body"].read()).digest() != hashlib.sha256(body).digest():
                bad.append((who, "body"))
            if found["ETag"].strip('"') != line["etag"]:
                differs(who, found["ETag"], line["etag"])
            for member, header in [("content_type", "ContentType"), ("content_encoding", "ContentEncoding"),
                                   ("cache_control", "CacheControl"), ("content_disposition", "ContentDisposition")]:
                if line.get(member) and line[member] != found.get(header):
                    differs(who, header, line[member], found.get(header))
            wanted = {k.lower(): v for k, v in (line.get("user_metadata") or {}).items()}
            if wanted != found["Metadata"]:
                differs(who, "metadata", wanted, found["Metadata"])
        bad.extend((bucket, "more", key) for key in there)
    return count


def sqs():
    service, count = client("sqs"), 0
    for file in sorted(os.listdir(root)):
        if not file.endswith(".queue.json"):
            continue
        document = json.load(open(os.path.join(root, file), encoding="utf-8"))
        queue = document["name"]
        if name(queue.encode()) in said and queue not in [url.rsplit("/", 1)[1] for url in service.list_queues().get("QueueUrls", [])]:
            continue
        url = service.get_queue_url(QueueName=queue)["QueueUrl"]
        attributes = service.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        wanted = {"VisibilityTimeout": "visibility_timeout_seconds", "MessageRetentionPeriod": "message_retention_seconds",
                  "DelaySeconds": "delay_seconds", "ReceiveMessageWaitTimeSeconds": "receive_message_wait_seconds"}
        for attribute, member in wanted.items():
            if attributes[attribute] != str(document.get(member, 0)):
                differs(name(queue.encode()), attribute, document.get(member), attributes[attribute])
        if service.list_queue_tags(QueueUrl=url).get("Tags", {}) != (document.get("tags") or {}):
            differs(name(queue.encode()), "tags")
        if document.get("redrive_policy"):
            if json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] != json.loads(document["redrive_policy"])["maxReceiveCount"]:
                differs(name(queue.encode()), "redrive policy")
        expected = rows(os.path.join(root, file.replace(".queue.json", ".jsonl")))
        count += len(expected)
        # A FIFO group waits for its first message: each is deleted once it has come.
        found = []
        while True:
            got = service.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
                                          AttributeNames=["All"]).get("Messages", [])
            if not got:
                break
            for message in got:
                service.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += got
        delayed = int(attributes["ApproximateNumberOfMessagesDelayed"])
        shown = lambda message: (message["Body"], str(message["Attributes"].get("MessageGroupId", "")),
                                 json.dumps(message.get("MessageAttributes", {}), default=binary, sort_keys=True))
        given = lambda line: (raw(line["body"]).decode(errors="replace"), line.get("message_group_id", ""),
                              json.dumps(line.get("message_attributes", {}), sort_keys=True))
        expected = [line for line in expected if name(queue.encode(), line["message_id"].encode()) not in said]
        fifo = queue.endswith(".fifo")
        wanted_messages, found_messages = [given(line) for line in expected], [shown(message) for message in found]
        if fifo:
            by_group = lambda all: {group: [m for m in all if m[1] == group] for group in sorted({m[1] for m in all})}
            same = by_group(wanted_messages) == by_group(found_messages)
        else:
            missing = list(wanted_messages)
            surplus = [m for m in found_messages if m not in missing or missing.remove(m)]
            same = not surplus and len(missing) == delayed
        if not same:
            bad.append((queue, "messages", delayed, wanted_messages, found_messages))
    return count


count = {"dynamodb": dynamodb, "s3": s3, "sqs": sqs}[adapter]()
for line in bad:
    print("DIFF", *(str(word)[:600] for word in line))
print(f"{count} objects, {len(bad)} differences, {len(said)} told")
sys.exit(1 if bad else 0)
