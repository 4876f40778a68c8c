"""Runs the SAM transform on a template for each set of parameters, and lints the resulting CloudFormation template.

Usage: transform.py TEMPLATE
"""

import json
import logging
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
logging.disable(logging.WARNING)
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

REGION = "eu-central-1"
SETS = {
    "dev": {"Environment": "dev"},
    "prod": {"Environment": "prod"},
    # Every parameter set to something other than its default: each condition is true.
    "prod with everything": {
        "Environment": "prod",
        "Architecture": "x86_64",
        "CorsOrigins": "https://app.example.com,https://www.example.com",
        "AlarmTopicArn": f"arn:aws:sns:{REGION}:123456789012:alarms",
        "LogRetentionDays": 90,
        "RecoveryPeriodInDays": 7,
        "ThrottlingRate": 100,
        "ThrottlingBurst": 200,
        "ApiConcurrency": "100",
        "PagesConcurrency": "20",
        "DomainName": "api.example.com",
        "CertificateArn": f"arn:aws:acm:{REGION}:123456789012:certificate/0f2b0d6e-0000-4000-8000-000000000000",
        "HostedZoneId": "Z0123456789ABCDEFGHIJ",
        "PublicOrigin": "https://www.example.com",
        "SignInPrefix": "example-sign-in",
        "OidcIssuer": "https://login.example.com",
        "OidcClientId": "head-honta",
        "OidcClientSecretArn": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:oidc-AbCdEf",
        "OidcClientSecretVersion": "0f2b0d6e-0000-4000-8000-000000000000",
        "SwitchAtOnce": "yes",
        "AccessTableName": "access-restored",
        "RecordsTableName": "records-restored",
    },
}
# W2001, unused parameter: the transform inlines the value of CorsOrigins into the API's definition.
IGNORED = "W2001"


def transformed(path, parameters):
    with open(path) as file:
        template = yaml_parse(file)
    # `sam package` would set this to the uploaded code.
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://bucket/{name}"
    policies = ["AWSLambdaBasicExecutionRole", "service-role/AWSLambdaBasicExecutionRole"]
    managed = {name: f"arn:aws:iam::aws:policy/{name}" for name in policies}
    return Translator(managed, Parser()).translate(template, parameters)


def forgotten(path):
    with open(path) as file:
        parameters = yaml_parse(file)["Parameters"]
    return sorted(set(parameters) - set(SETS["prod with everything"]))


def accepted(path, name, parameters):
    try:
        made = transformed(path, parameters)
    except Exception as error:
        causes = getattr(error, "causes", None) or [error]
        for cause in causes:
            print(f"{name}: the transform rejects the template: {getattr(cause, 'message', cause)}")
        return False
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "template.json")
        with open(output, "w") as file:
            json.dump(made, file)
        lint = [os.path.join(os.path.dirname(sys.executable), "cfn-lint"), "--ignore-checks", IGNORED, "--regions", REGION, "-t", output]
        if subprocess.run(lint).returncode != 0:
            print(f"{name}: CloudFormation would reject the transformed template")
            return False
    print(f"{name}: accepted, {len(made['Resources'])} resources")
    return True


template = sys.argv[1]
unset = forgotten(template)
if unset:
    sys.exit(f"scripts/transform.py has no value for {', '.join(unset)}")
sys.exit(not all([accepted(template, name, parameters) for name, parameters in SETS.items()]))
