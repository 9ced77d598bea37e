"""OCI image archives, hostile ones included (OCI image specification 1.1)."""
import hashlib
import io
import json
import struct
import tarfile

BLOCK = 128 << 10  # the most that one block of a zstd frame may hold


def tar(entries):
    """A tar of (path, content or TarInfo)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in entries:
            entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo()
            entry.name = path
            if isinstance(content, bytes):
                entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def link(target, kind=tarfile.SYMTYPE):
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


def zstd_zeros(head, count):
    """A zstd frame (RFC 8878) of `head` and that many blocks of zeros, each of them four bytes long."""
    def block(kind, size, last=0):
        return struct.pack("<I", last | kind << 1 | size << 3)[:3]

    frame = b"\x28\xb5\x2f\xfd" + b"\0\x38" + block(0, len(head)) + head
    return frame + (block(1, BLOCK) + b"\0") * count + block(0, 0, last=1)


def bomb(size):
    """A layer of one file of so many zeros; a 30,000th of that long."""
    entry = tarfile.TarInfo("zeros")
    entry.size = size
    return zstd_zeros(entry.tobuf(tarfile.GNU_FORMAT), size // BLOCK + 1)


def archive(layers, architecture="amd64"):
    blobs = {}

    def descriptor(blob, **more):
        digest = hashlib.sha256(blob).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = blob
        return {"digest": f"sha256:{digest}", "size": len(blob), **more}

    config = descriptor(json.dumps({"config": {"Env": ["PATH=/bin"]}}).encode())
    manifest = json.dumps({"config": config, "layers": [descriptor(layer) for layer in layers]}).encode()
    index = {"manifests": [descriptor(manifest, platform={"os": "linux", "architecture": architecture})]}
    return tar([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", json.dumps(index).encode()), *blobs.items()])
