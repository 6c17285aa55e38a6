"""openapi.json as a judge: every answer must be one that it declares, with the members it declares
and no others. (For clients the schemas stay open, so that members can be added.)"""
import re

import jsonschema


def closed(schema):
    """The same schema, and no member beyond those it names."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: closed(v) for k, v in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        out["additionalProperties"] = False
    return out


class Contract:
    def __init__(self, document):
        self.document = document
        self.schemas = closed(document["components"]["schemas"])
        self.routes = []
        for template, methods in document["paths"].items():
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)) + "$")
            self.routes += [(method.upper(), pattern, operation) for method, operation in methods.items()]

    def operation(self, method, path):
        path = path.split("?")[0]
        return next((o for m, pattern, o in self.routes if m == method and pattern.match(path)), None)

    def is_valid(self, schema, value):
        whole = {**closed(schema), "components": {"schemas": self.schemas}}
        errors = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        assert not errors, "\n".join(f"{list(e.path)}: {e.message}" for e in errors)

    def shape(self, name, value):
        """value is a `name` of components/schemas."""
        self.is_valid({"$ref": f"#/components/schemas/{name}"}, value)

    def check(self, method, path, answer):
        operation = self.operation(method, path)
        if not operation:
            assert answer.status in (200, 403, 404, 405, 413, 415), f"{method} {path}: {answer.status}"
            return
        declared = operation["responses"].get(str(answer.status))
        assert declared, f"{method} {path}: {answer.status} is not in {list(operation['responses'])}: {answer.bytes}"
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in declared["content"], f"{method} {path}: {answer.status} as {kind}"
        if kind.endswith("json") and method != "HEAD":
            self.is_valid(declared["content"][kind]["schema"], answer.json)
