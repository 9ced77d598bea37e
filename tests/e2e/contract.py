"""openapi.json as a test reads it, and a recorder that stands between the client and the server.

The words of JSON Schema known here are those that src/api/contract.h lists.
"""
import base64
import http.client
import http.server
import json
import re
import threading
import urllib.parse

from harness import ROOT

SOURCE = ROOT / "src/api/openapi.json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PIECE = 1 << 20

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}
IGNORED = {"description", "default", "format"}
KNOWN = IGNORED | {
    "$ref", "type", "required", "properties", "additionalProperties", "enum", "const", "pattern", "items", "minItems",
    "maxItems", "minLength", "maxLength", "minimum", "maximum", "anyOf", "oneOf", "contentEncoding",
}


def is_base64(text):
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


class Operation:
    def __init__(self, path, method, document):
        self.path, self.method, self.document = path, method.upper(), document
        self.id = document["operationId"]
        self.roles = document.get("x-roles", [])
        self.open = document.get("security") == []
        pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}").replace("{tile}", "(?P<tile>.+)")
        self.pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))
        self.successes = {int(s): r for s, r in document["responses"].items() if s != "default"}
        body = document.get("requestBody", {}).get("content", {})
        self.body = body.get("application/json", {}).get("schema")
        self.takes_bytes = bool(body) and self.body is None

    def __repr__(self):
        return f"{self.id} ({self.method} {self.path})"


class Contract:
    def __init__(self, text):
        self.document = json.loads(text)
        paths = self.document["paths"]
        self.operations = {op.id: op for path, item in paths.items() for op in (Operation(path, m, d) for m, d in item.items())}
        self.problem = {"$ref": "#/components/schemas/Problem"}

    def resolve(self, node):
        while "$ref" in node:
            reference, node = node["$ref"], self.document
            for part in reference.split("/")[1:]:
                node = node[part]
        return node

    def find(self, method, path):
        """The operation that answers; of several templates the one with the fewest names."""
        fits = [op for op in self.operations.values() if op.pattern.fullmatch(path)]
        fits.sort(key=lambda op: op.path.count("{"))
        return next((op for op in fits if op.method == method), None)

    def parameters(self, operation, place):
        return [p for p in map(self.resolve, operation.document.get("parameters", [])) if p["in"] == place]

    def answer(self, operation, status):
        """(content type, schema) of a documented success; (None, None): no body."""
        content = operation.successes[status].get("content", {})
        return next(((kind, entry["schema"]) for kind, entry in content.items()), (None, None))

    def faults(self, schema, value, where="$"):
        """What is wrong with the value, one line each."""
        schema = self.resolve(schema)
        unknown = [w for w in schema if w not in KNOWN and not w.startswith("x-")]
        if unknown:
            return [f"{where}: the document uses {unknown}, which this test does not know"]
        found = []
        wanted = schema.get("type")
        if wanted and not any(TYPES[t](value) for t in ([wanted] if isinstance(wanted, str) else wanted)):
            return [f"{where}: {value!r:.80} is no {wanted}"]
        if "const" in schema and value != schema["const"]:
            found.append(f"{where}: {value!r:.80} is not {schema['const']!r}")
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r:.80} is none of {schema['enum']}")
        for word in ("anyOf", "oneOf"):
            if word in schema:
                each = [self.faults(choice, value, where) for choice in schema[word]]
                fits = sum(not faults for faults in each)
                if fits == 0 or (word == "oneOf" and fits > 1):
                    found.append(f"{where}: fits {fits} of {word}: {each}")
        return found + self.inner_faults(schema, value, where)

    def inner_faults(self, schema, value, where):
        found = []
        if isinstance(value, str):
            found += self.counted(schema, len(value), "minLength", "maxLength", where)
            if "pattern" in schema and not re.search(schema["pattern"], value):
                found.append(f"{where}: {value!r:.80} does not fit {schema['pattern']}")
            if schema.get("contentEncoding") == "base64" and not is_base64(value):
                found.append(f"{where}: {value!r:.80} is no base64")
        elif isinstance(value, list):
            found += self.counted(schema, len(value), "minItems", "maxItems", where)
            for i, item in enumerate(value):
                found += self.faults(schema.get("items", {}), item, f"{where}[{i}]")
        elif isinstance(value, dict):
            found += [f"{where}: lacks {name}" for name in schema.get("required", []) if name not in value]
            for name, member in value.items():
                others = schema.get("additionalProperties", True)
                inner = schema.get("properties", {}).get(name, others)
                if inner is False:
                    found.append(f"{where}: {name} is not in the document")
                elif isinstance(inner, dict):
                    found += self.faults(inner, member, f"{where}.{name}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found += self.counted(schema, value, "minimum", "maximum", where)
        return found

    @staticmethod
    def counted(schema, number, least, most, where):
        if number < schema.get(least, number):
            return [f"{where}: {number} is below {least} {schema[least]}"]
        if number > schema.get(most, number):
            return [f"{where}: {number} is above {most} {schema[most]}"]
        return []


class Exchange:
    """One request and its answer."""

    def __init__(self, method, target, sent_headers, sent, status, headers, body):
        self.method, self.target, self.sent_headers, self.sent = method, target, sent_headers, sent
        self.status, self.headers, self.body = status, headers, body
        self.path = urllib.parse.unquote(urllib.parse.urlsplit(target).path)
        self.query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query, keep_blank_values=True)

    def kind(self):
        return (self.headers.get("Content-Type") or "").split(";")[0]

    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return f"{self.method} {self.target} {self.sent[:200]!r}\n-> {self.status} {self.kind()} {self.body[:600]!r}"


def send(port, method, target, token=None, body=b"", headers=None, timeout=60):
    """One request to the server on this machine. Returns its Exchange."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    sent_headers = dict(headers or {})
    if token:
        sent_headers.setdefault("Authorization", f"Bearer {token}")
    if body:
        sent_headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, target, body=body or None, headers=sent_headers)
        answer = connection.getresponse()
        return Exchange(method, target, sent_headers, body, answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Recorder:
    """Passes requests on to a server and keeps what was said, both ways; of large bodies their beginning.

    A POST to a path that ends in `holds` is kept back: its sender hears 409, the server nothing.
    """

    def __init__(self, port, replaced=None, holds=None):
        self.exchanges, recorder = [], self
        replaced = replaced or {}  # header of the server's: what the client sees instead

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if holds and self.command == "POST" and self.path.endswith(holds):
                    recorder.exchanges.append(Exchange(self.command, self.path, dict(self.headers), sent, 409, {}, b""))
                    return self.send_error(409)
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                try:
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "expect")}
                    try:
                        upstream.request(self.command, self.path, body=sent or None, headers=headers)
                        answer = upstream.getresponse()
                    except OSError:
                        self.close_connection = True
                        return
                    self.send_response_only(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("connection", "transfer-encoding"):
                            self.send_header(name, replaced.get(name, value))
                    if answer.getheader("Content-Length") is None and answer.status != 204:
                        self.send_header("Connection", "close")
                        self.close_connection = True
                    self.end_headers()
                    kept = b""
                    while piece := answer.read(PIECE):
                        kept = kept or piece if len(kept) >= PIECE else kept + piece
                        self.wfile.write(piece)
                    recorder.exchanges.append(
                        Exchange(self.command, self.path, dict(self.headers), sent, answer.status, answer.headers, kept)
                    )
                finally:
                    upstream.close()

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
