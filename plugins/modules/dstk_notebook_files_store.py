#!/usr/bin/python
"""Module: archives of students are in a bucket of S3, each whole and under its name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import error_code

DOCUMENTATION = """
module: dstk_notebook_files_store
short_description: Archives of students are in a bucket of S3
version_added: "0.1.0"
author: dstk
description:
  - Uploads each archive. An object appears in S3 whole or not at all, and S3 compares what arrives with its checksum.
  - An object of that name that differs is copied to a name with its time first.
  - With each object its SHA-256 is kept as the metadata C(sha256).
options:
  answers:
    description: What M(dstk_notebook_files_gather) answered, by student; path, size and sha256 are read.
    type: dict
    required: true
  to:
    description: The bucket and what the names begin with, such as C(s3://bucket/csx450).
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The archives are in S3
  dstk_notebook_files_store:
    answers: "{{ gathered.answers }}"
    to: s3://homes-of-csx450/2026
"""

RETURN = """
answers:
  description: As O(answers), with the object as path, and state, which is fetched or unchanged.
  type: dict
  returned: always
failures:
  description: By student, message and fix.
  type: dict
  returned: always
"""

AT_ONCE = 4
ENDING = ".tar.zst"
GONE = frozenset({"404", "NoSuchKey", "NotFound"})


class Shelf:
    """A bucket, and what the names in it begin with."""

    def __init__(self, client: Any, to: str) -> None:
        """Take the client, and where to."""
        self.client = client
        self.bucket, _, prefix = to.removeprefix("s3://").partition("/")
        self.prefix = prefix.strip("/")

    def store(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """See to it that an archive is there, and answer what is told of it."""
        name = PurePath(answer["path"]).name
        key = f"{self.prefix}/{name}" if self.prefix else name
        told = {**answer, "path": f"s3://{self.bucket}/{key}", "earlier": ""}
        there = self._find(key)
        if there and (there["Metadata"].get("sha256"), there["ContentLength"]) == (answer["sha256"], answer["size"]):
            return {**told, "state": "unchanged"}
        if there:
            earlier = f"{key.removesuffix(ENDING)}.{there['LastModified']:%Y%m%dT%H%M%SZ}{ENDING}"
            self.client.copy({"Bucket": self.bucket, "Key": key}, self.bucket, earlier)
            told["earlier"] = PurePath(earlier).name
        kept = {"Metadata": {"sha256": answer["sha256"]}, "ChecksumAlgorithm": "SHA256"}
        self.client.upload_file(answer["path"], self.bucket, key, ExtraArgs=kept)
        return {**told, "state": "fetched"}

    def _find(self, key: str) -> dict[str, Any] | None:
        try:
            return dict(self.client.head_object(Bucket=self.bucket, Key=key))
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "answers": {"type": "dict", "required": True},
            "to": {"type": "str", "required": True},
        },
    )
    shelf = Shelf(module.client("s3"), module.params["to"])
    answers: dict[str, Any] = {}
    failures: dict[str, dict[str, str]] = {}

    def work(student: str) -> None:
        try:
            answers[student] = shelf.store(module.params["answers"][student])
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            fix = f"see that the bucket {shelf.bucket} is there, and that you may write to it"
            failures[student] = {"message": f"the archive cannot be stored: {error}", "fix": fix}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, module.params["answers"]))
    changed = any(answer["state"] == "fetched" for answer in answers.values())
    module.exit_json(changed=changed, answers=answers, failures=failures)


if __name__ == "__main__":
    main()
