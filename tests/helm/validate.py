"""Validates manifests, a JSON array on standard input, against the schemas of the Kubernetes versions in the arguments.

Unknown properties are refused. Prints a JSON array of what is wrong: [index of the manifest, version, message].
"""

import json
import sys

import kubernetes_validate

wrong = []
for index, manifest in enumerate(json.load(sys.stdin)):
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            wrong.append([index, version, error.message])
json.dump(wrong, sys.stdout)
