#!/usr/bin/env python3
"""Uploads the exports of `--layout aws-export` to moto and imports every table, with the parameters beside it.

import_aws.py ENDPOINT OUTPUT. A table that refused.jsonl names is passed over. Exit 0 if each import has taken all items without an error.
"""
import json, os, sys, time

import boto3
from botocore.config import Config

endpoint, output = sys.argv[1:]
root = os.path.join(output, "dynamodb")


def client(name):
    config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client(name, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="t",
                        aws_secret_access_key="t", config=config)


s3, dynamodb = client("s3"), client("dynamodb")
s3.create_bucket(Bucket="exports")
for folder, _, files in os.walk(root):
    for file in files:
        path = os.path.join(folder, file)
        with open(path, "rb") as body:
            s3.put_object(Bucket="exports", Key=os.path.relpath(path, root), Body=body)

imported = 0
for table in sorted(os.listdir(root)):
    parameters = os.path.join(root, table, "import-table.json")
    if not os.path.exists(parameters):
        continue
    refused = os.path.join(root, table, "refused.jsonl")
    if os.path.exists(refused) and any("Item" not in json.loads(line) for line in open(refused, encoding="utf-8")):
        continue
    request = json.load(open(parameters, encoding="utf-8"))
    request["S3BucketSource"]["S3Bucket"] = "exports"
    arn = dynamodb.import_table(**request)["ImportTableDescription"]["ImportArn"]
    for _ in range(600):
        told = dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]
        if told["ImportStatus"] != "IN_PROGRESS":
            break
        time.sleep(0.05)
    export, = os.listdir(os.path.join(root, table, "AWSDynamoDB"))
    base = os.path.join(root, table, "AWSDynamoDB", export)
    summary = json.load(open(os.path.join(base, "manifest-summary.json"), encoding="utf-8"))
    for line in open(os.path.join(base, "manifest-files.json"), encoding="utf-8"):
        line = json.loads(line)
        stored = s3.head_object(Bucket="exports", Key=line["dataFileS3Key"])["ETag"].strip('"')
        assert stored == line["etag"], (table, stored, line)
    counts = told["ImportStatus"], told["ErrorCount"], told["ImportedItemCount"]
    assert counts == ("COMPLETED", 0, summary["itemCount"]), (table, told, summary)
    imported += 1
assert imported > 0
print(f"{imported} tables imported")
