"""Creates the template's tables at a DynamoDB endpoint, named by their logical ids.

Usage: create_tables.py ENDPOINT
"""

import sys

import boto3
from samcli.yamlhelper import yaml_parse

WANTED = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"]

client = boto3.client("dynamodb", endpoint_url=sys.argv[1], region_name="local")
template = yaml_parse(open("template.yaml").read())
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::DynamoDB::Table":
        properties = resource["Properties"]
        client.create_table(TableName=name, **{key: properties[key] for key in WANTED if key in properties})
