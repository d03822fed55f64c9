#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads an ExportLogsServiceRequest in protobuf on standard input and prints it as JSON, with
OpenTelemetry's own schema (package opentelemetry-proto). Fails on bytes that are not one, and
on fields that the schema does not know.

    build/tests/unit/test_otlp --emit | tests/unit/otlp_oracle.py
"""
import sys

from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def refuse_unknown(message):
    if len(UnknownFieldSet(message)) > 0:
        sys.exit(f"unknown field in {message.DESCRIPTOR.full_name}")
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for member in [value] if hasattr(value, "DESCRIPTOR") else value:
            refuse_unknown(member)


request = ExportLogsServiceRequest.FromString(sys.stdin.buffer.read())
refuse_unknown(request)
print(json_format.MessageToJson(request))
