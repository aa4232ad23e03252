# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Pinecone on the loopback: the endpoints that the SDK uses on an index, over real HTTP.

Upsert, query, fetch, delete, list and describe_index_stats, as https://docs.pinecone.io/reference/api describes them (read
2026-11-21), and the description of an index by name. It is deliberately no friend: it keeps values in single precision and
numbers as doubles, refuses null and nested metadata and more than 40 kB of it, demands the key, and can be told to fail.
"""

import json
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

ORDERS = {"$gt": "__gt__", "$gte": "__ge__", "$lt": "__lt__", "$lte": "__le__"}
PAGE = 100


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class StandIn:
    """One index.

    Attributes:
        calls: how often each endpoint was asked.
        failing: by endpoint, statuses to answer next instead of doing anything.
        most_hits: what a query gives at most.
    """

    def __init__(self, dimension, key="a-key"):
        self.dimension = dimension
        self.key = key
        self.records = defaultdict(dict)
        self.calls = Counter()
        self.failing = defaultdict(list)
        self.most_hits = 10_000
        self.lock = threading.Lock()

    def upsert(self, body):
        for record in body["vectors"]:
            values = np.array(record["values"], np.float32)
            if values.shape != (self.dimension,):
                raise Refused(
                    400, f"Vector dimension {len(values)} does not match the index's {self.dimension}"
                )
            metadata = record.get("metadata") or {}
            if len(json.dumps(metadata, ensure_ascii=False).encode()) > 40_960:
                raise Refused(400, "Metadata size exceeds the limit of 40960 bytes per vector")
            for key, value in metadata.items():
                strings = isinstance(value, list) and all(isinstance(each, str) for each in value)
                if not strings and not isinstance(value, str | int | float | bool):
                    raise Refused(
                        400, f"Metadata value must be a string, number, boolean or list of strings: {key}"
                    )
        for record in body["vectors"]:
            kept = {
                key: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
                for key, value in (record.get("metadata") or {}).items()
            }
            values = np.array(record["values"], np.float32)
            self.records[body.get("namespace", "")][record["id"]] = (values, kept)
        return {"upsertedCount": len(body["vectors"])}

    def query(self, body):
        if not 1 <= body["topK"] <= self.most_hits:
            raise Refused(400, f"topK is at most {self.most_hits}")
        vector = np.array(body["vector"], np.float32)
        if vector.shape != (self.dimension,):
            raise Refused(400, "Query vector dimension does not match the index")
        hits = [
            {"id": name, "score": float(values @ vector)}
            for name, (values, metadata) in self.records[body.get("namespace", "")].items()
            if lets_through(body.get("filter") or {}, metadata)
        ]
        hits.sort(key=lambda hit: -hit["score"])
        return {"matches": hits[: body["topK"]], "namespace": body.get("namespace", "")}

    def fetch(self, body):
        here = self.records[body.get("namespace", [""])[0]]
        found = {
            name: {"id": name, "values": here[name][0].tolist(), "metadata": here[name][1]}
            for name in body["ids"]
            if name in here
        }
        return {"vectors": found, "namespace": body.get("namespace", [""])[0]}

    def delete(self, body):
        for name in body["ids"]:
            self.records[body.get("namespace", "")].pop(name, None)
        return {}

    def list(self, body):
        names = sorted(self.records[body.get("namespace", [""])[0]])
        start = int(body.get("paginationToken", ["0"])[0])
        answer = {"vectors": [{"id": name} for name in names[start : start + PAGE]]}
        if start + PAGE < len(names):
            answer["pagination"] = {"next": str(start + PAGE)}
        return answer

    def describe_index_stats(self, body):
        counts = {name: {"vectorCount": len(records)} for name, records in self.records.items() if records}
        total = sum(map(len, self.records.values()))
        return {
            "namespaces": counts,
            "dimension": self.dimension,
            "indexFullness": 0,
            "totalVectorCount": total,
        }

    def answer(self, path, body, headers):
        endpoint = path.rpartition("/")[2]
        with self.lock:
            self.calls[endpoint] += 1
            if headers.get("Api-Key") != self.key:
                raise Refused(401, "Invalid API Key")
            if self.failing[endpoint]:
                raise Refused(self.failing[endpoint].pop(0), "told to fail")
            if path.startswith("/indexes/"):
                raise Refused(404, f"Resource {endpoint} not found")
            return getattr(self, endpoint)(body)


def lets_through(condition, metadata):
    """Pinecone's filters, as documented; a missing key is matched by nothing but `$exists: false` and `$ne`, `$nin`."""
    for key, operand in condition.items():
        if key == "$and":
            holds = all(lets_through(each, metadata) for each in operand)
        elif key == "$or":
            holds = any(lets_through(each, metadata) for each in operand)
        else:
            if not isinstance(operand, dict):
                operand = {"$eq": operand}
            holds = all(_holds(operator, value, metadata.get(key)) for operator, value in operand.items())
        if not holds:
            return False
    return True


def _holds(operator, operand, value):
    values = value if isinstance(value, list) else [value]
    same = [each for each in values if isinstance(each, bool) == isinstance(operand, bool)]
    if operator == "$exists":
        return (value is not None) == operand
    if operator == "$eq":
        return operand in same
    if operator == "$in":
        if not all(isinstance(each, str | float | int) and not isinstance(each, bool) for each in operand):
            raise Refused(400, "$in takes strings or numbers")
        return any(each in operand for each in values if not isinstance(each, bool))
    if operator in ORDERS:
        if not isinstance(operand, float | int) or isinstance(operand, bool):
            raise Refused(400, f"{operator} takes a number")
        return any(isinstance(each, float) and getattr(each, ORDERS[operator])(operand) for each in values)
    raise Refused(400, f"unknown operator {operator}")


@contextmanager
def serving(stand_in):
    """The address of a stand-in while it listens."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

        def do_POST(self):
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self):
            self._reply(parse_qs(urlsplit(self.path).query))

        def _reply(self, body):
            try:
                status, answer = 200, stand_in.answer(urlsplit(self.path).path, body, self.headers)
            except Refused as refused:
                status, answer = (
                    refused.status,
                    {"code": refused.status, "message": str(refused), "details": []},
                )
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
