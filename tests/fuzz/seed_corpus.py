#!/usr/bin/env python3
"""Writes the seed inputs of tests/fuzz/corpus/: golden vectors, and small well-formed things of each format.

Deterministic; run it again after a format changed. What a fuzzer found since lies beside them as `found-*` and is kept.
"""
import base64
import io
import json
import pathlib
import struct
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus"
GOLDEN = json.loads((ROOT / "tests/golden/protocol.json").read_text())


def put(target, name, which, data):
    """A seed; `which` is the byte that chooses, None where the target has no choice."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    data = data.encode() if isinstance(data, str) else data
    (folder / f"seed-{name}").write_bytes((b"" if which is None else bytes([which])) + data)


def file_of(vector):
    return vector["text"].encode() if "text" in vector else base64.b64decode(vector.get("base64", ""))


def tar_of(files, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def manifests():
    for quote in GOLDEN["quotes"]:
        put("manifest", quote["id"], 0, quote["coffer_toml"])
    declaration = [{"name": "m", "kind": "metrics", "lane": "bounded", "fields": {"a": {"min": 0, "max": 1, "digits": 3, "optional": False}}}]
    put("manifest", "declaration", 1, json.dumps(declaration, sort_keys=True, separators=(",", ":")))


def outputs():
    kinds = {"metrics": 0, "tensors": 1, "table": 2}
    for case in GOLDEN["judged"][::4]:
        if "file" not in case:
            continue
        data = file_of(case["file"])
        if len(data) < 4096:
            put("outputs", case["id"], kinds[case["kind"]], data)
    put("outputs", "own-metrics", 0, '{"accuracy": 0.912, "best": "tree", "rows": 569}')
    header = json.dumps(
        {
            "n": {"dtype": "I32", "shape": [4], "data_offsets": [0, 16]},
            "ok": {"dtype": "BOOL", "shape": [2], "data_offsets": [16, 18]},
            "w": {"dtype": "F32", "shape": [3, 2], "data_offsets": [18, 42]},
        }
    ).encode()
    put("outputs", "own-tensors", 1, struct.pack("<Q", len(header)) + header + bytes(18) + struct.pack("<6f", 1, 2, 3, 4, 5, -6))
    put("outputs", "own-table", 2, "group,mean\na,1.25\nb,-5\n")
    for which in (3, 4, 5):
        put("outputs", f"bits-{which}", which, bytes(40))


def judge_replies():
    put("judge_reply", "refused", None, bytes([2, 3]))
    put("judge_reply", "object", None, b"\0" + struct.pack(">Q", 10) + b"\x40\x00" + b"\0" + struct.pack(">Q", 64) + struct.pack(">2f", 1, 2))


def scans():
    put("scanner", "table", 0, "id,age,ward,seen\n17,44,a,2021-03-04\n18,81,b,2020-01-01\n19,,c,\n")
    put("scanner", "quotes", 0, '\x07name;note\n"Ada ""L""";"a\nb"\nBen;x\n')
    exif = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHI", 0x010F, 2, 4) + b"Abc\0" + bytes(4)
    put("scanner", "jpeg", 1, b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + b"\xff\xd9")
    element = struct.pack("<HH", 0x10, 0x10) + b"PN" + struct.pack("<H", 6) + b"DOE^J "
    put("scanner", "dicom", 2, bytes(128) + b"DICM" + element)
    put("scanner", "columns", 3, "file,column,kind,type,values,min,max,blanks,publish,reason\na.csv,,file,csv,,,,,yes,\na.csv,age,number,integer,,1,90,required,yes,x\n")


def signed():
    kinds = ["user-key", "removal", "manifest", "card", "limit", "grant", "revocation", "run", "approval"]
    for item in GOLDEN["signed"]["objects"]:
        expected = item["expect"]
        kind = expected["payload_type"].removeprefix("application/vnd.cofferdam.").removesuffix(".v1+json")
        put("signed_objects", item["id"], kinds.index(kind), expected["canonical"])
    for number, item in enumerate(GOLDEN["signed"]["refused"]):
        put("signed_objects", f"envelope-{number}", 9, json.dumps(item["envelope"]))


def ledger():
    entry = {"commit": base64.b64encode(bytes(32)).decode(), "kind": "run", "time": "2026-01-02T03:04:05Z", "v": 1}
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    put("ledger", "entry", 0, text)
    opening = {"entry": base64.b64encode(text.encode()).decode(), "nonce": base64.b64encode(bytes(32)).decode(), "private": base64.b64encode(b"{}").decode()}
    put("ledger", "opening", 1, json.dumps(opening, sort_keys=True, separators=(",", ":")))
    root = base64.b64encode(bytes(32)).decode()
    checkpoint = f"example.org/log\n7\n{root}\n"
    note = checkpoint + "\n\u2014 example.org/log " + base64.b64encode(bytes(68)).decode() + "\n"
    put("ledger", "proof", 2, f"c2sp.org/tlog-proof@v1\nindex 3\n{root}\n{root}\n\n" + note)
    put("ledger", "note", 3, note)
    put("ledger", "checkpoint", 4, checkpoint)
    put("ledger", "vkey", 5, "example.org/log+" + "00000000+" + base64.b64encode(b"\1" + bytes(32)).decode())
    put("ledger", "tile", 6, "0/x001/067.p/5")
    put("ledger", "bundle", 7, b"".join(struct.pack(">H", 3) + b"abc" for _ in range(4)))
    put("ledger", "policy", 8, "log example.org/log+00000000+" + base64.b64encode(b"\1" + bytes(32)).decode() + "\nquorum none\n")


def archives():
    import hashlib

    layer = tar_of({"bin/": None, "bin/sh": b"#!", "bin/.wh.old": b""})
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()

    def described(kind, data):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}

    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": described("config.v1+json", config), "layers": [described("layer.v1.tar", layer)]}
    ).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [described("manifest.v1+json", manifest)]}).encode()
    blobs = {"blobs/sha256/" + hashlib.sha256(data).hexdigest(): data for data in (layer, config, manifest)}
    image = tar_of({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, **blobs})
    put("archives", "image", 0, image)
    put("archives", "sealed", 1, tar_of({"a": None, "a/b": b"hello"}))
    put("archives", "layer", 2, layer)
    put("archives", "layer-pax", 2, tar_of({"x" * 150: b"1"}, tarfile.PAX_FORMAT))
    put("archives", "layer-gnu", 2, tar_of({"y" * 150: b"1"}, tarfile.GNU_FORMAT))
    put("archives", "program", 3, tar_of({"main.py": b"print()", "lib": None, "lib/a.py": b""}, tarfile.PAX_FORMAT))
    put("archives", "pack", 4, bytes(32) + struct.pack(">I", 20) + bytes(20))
    for number, layout in enumerate(("first", "second")):
        put("archives", f"list-{layout}", 5, f"coffer-list-v{number + 1}\n\n".encode() + struct.pack(">I", 40) + bytes(44) + bytes(31) + b"\1")
        put("archives", f"list-{layout}-opened", 6 + number, opened_list(layout))


def opened_list(layout):
    """The plaintext of a chunk list: one file of one chunk of 8 bytes, and an end whose digest does not fit."""
    own = struct.pack(">I", 32) + bytes(64) if layout == "first" else b""
    chunk = bytes(96) + struct.pack(">II", 8, 25)
    return bytes(33) + b"\1" + struct.pack(">I", 5) + b"t.csv" + struct.pack(">Q", 8) + b"\0" + own + struct.pack(">I", 1) + chunk + b"\0" + struct.pack(">QQ", 1, 8) + bytes(32)


def http():
    put("http", "post", 0, "POST /v1/runs?x=a%20b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAuthorization: Bearer x\r\n\r\n")
    put("http", "chunked", 0, "PUT /v1/uploads/u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    put("http", "chunks", 1, "5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n")
    put("http", "target", 2, "/v1/datasets/clinic/tumours?limit=5")
    put("http", "answer", 3, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    put("http", "json", 4, '{"a":[1,2.5,-3e4,"\\u00e9",null,true],"b":{}}')
    put("http", "surrogates", 4, '["\\ud83c\\udf0a","\\udc00"]')


def messages():
    for which in range(6):
        for kind in range(12):
            put("process_messages", f"{which}-{kind}", which, bytes([kind]) + bytes(64))
    put("process_messages", "self-test", 6, b"T" + b"\1" * 40)
    put("process_messages", "end", 6, b"E" + bytes(327))
    put("process_messages", "traceback", 7, 'Traceback (most recent call last):\n  File "/program/a.py", line 3, in f\nmod.KeyError: 1\n')


if __name__ == "__main__":
    for make in (manifests, outputs, judge_replies, scans, signed, ledger, archives, http, messages):
        make()
