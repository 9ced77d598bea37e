"""Ways in which a signed envelope is no longer what was signed; each takes a seeded random.Random."""
import base64
import json


KINDS = ("key", "removal", "manifest", "card", "limit", "grant", "revocation", "run", "approval", "x")


def mutate(chance, body, others):
    """(what was done, a body whose envelope is no more what was signed)."""
    way = chance.choice((payload_byte, payload_byte, payload_member, payload_member, signature, signature, shape, raw, raw))
    while True:
        envelope = json.loads(json.dumps(body["envelope"]))
        what, changed = way(chance, envelope, others)
        whole = json.dumps({**body, "envelope": "HERE"}).encode()
        text = whole.replace(b'"HERE"', changed if isinstance(changed, bytes) else json.dumps(changed).encode())
        if isinstance(changed, bytes):
            try:
                if json.loads(text)["envelope"] == body["envelope"]:
                    continue  # only another way of writing the same
            except ValueError:
                pass
        elif changed == body["envelope"]:
            continue
        return f"{way.__name__}: {what}", text


def altered(chance, data):
    """The bytes with one of them flipped, gone, new, doubled, exchanged; or cut, or longer."""
    at, way = chance.randrange(len(data)), chance.randrange(7)
    return [
        lambda: data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1:],
        lambda: data[:at] + data[at + 1:],
        lambda: data[:at] + bytes([chance.randrange(256)]) + data[at:],
        lambda: data[:at] + data[at:at + 1] + data[at:],
        lambda: data[:at] + data[at + 1:at + 2] + data[at:at + 1] + data[at + 2:],
        lambda: data[:at],
        lambda: data + data[at:],
    ][way]()


def payload_byte(chance, envelope, _):
    envelope["payload"] = base64.b64encode(altered(chance, base64.b64decode(envelope["payload"]))).decode()
    return "a byte of the payload", envelope


def places(value, path=()):
    """The paths of all members and items of a JSON document."""
    if isinstance(value, dict):
        for key in value:
            yield (*path, key)
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield (*path, i)
            yield from places(item, (*path, i))


def another(chance, value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, -value - 1, value * 1000, 1 << 53, 1 << 63, 1 << 64, str(value), value + 0.5, None))
    if isinstance(value, str):
        return chance.choice((value + "x", value[1:], value.upper() + " ", "", 0, None, "x" * 4000, [value], "\0", "any", "*"))
    return chance.choice(({}, [], None, 0, "", [value], {"": value}))


def payload_member(chance, envelope, _):
    """Well formed and canonical, and something else than was signed."""
    payload = json.loads(base64.b64decode(envelope["payload"]))
    path = chance.choice(list(places(payload)))
    inner = payload
    for step in path[:-1]:
        inner = inner[step]
    way = chance.choice(("another", "gone", "new", "twice"))
    if way == "another":
        inner[path[-1]] = another(chance, inner[path[-1]])
    elif way == "gone":
        del inner[path[-1]]
    elif isinstance(inner, dict):
        inner[f"{path[-1]}2"] = inner[path[-1]]
    else:
        inner.append(inner[path[-1]])
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if way == "twice":
        text = text[:-1] + "," + text[1:]
    envelope["payload"] = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
    return f"{way} at {path}", envelope


ORDER = (1 << 252) + 27742317777372353535851937790883648493  # of Ed25519's group


def signature(chance, envelope, others):
    entry, way = envelope["signatures"][0], chance.randrange(5)
    raw_bytes = base64.b64decode(entry["sig"])
    if way == 0:
        entry["sig"] = base64.b64encode(altered(chance, raw_bytes)).decode()
        return "a byte of the signature", envelope
    if way == 1:
        scalar = int.from_bytes(raw_bytes[32:], "little") + ORDER
        entry["sig"] = base64.b64encode(raw_bytes[:32] + scalar.to_bytes(32, "little")).decode()
        return "the same signature with another scalar", envelope
    if way == 2:
        entry["sig"] = chance.choice(others)["signatures"][0]["sig"]
        return "the signature of something else", envelope
    if way == 3:
        entry["sig"] = base64.b64encode(chance.choice((bytes(64), b"\xff" * 64, b"\1" + bytes(63), b""))).decode()
        return "a signature of nothing", envelope
    entry["sig"] = chance.choice((entry["sig"].rstrip("="), entry["sig"] + "=", entry["sig"][:-3] + "B==", " " + entry["sig"], entry["sig"].replace("A", "\n")))
    return "another base64", envelope


def shape(chance, envelope, others):
    way = chance.randrange(6)
    if way == 0:
        kinds = [kind for kind in KINDS if f".{kind}." not in envelope["payloadType"]]
        envelope["payloadType"] = f"application/vnd.cofferdam.{chance.choice(kinds)}.v1+json"
        return "another type", envelope
    if way == 1:
        envelope["signatures"] = envelope["signatures"] * 17 if chance.random() < 0.5 else []
        return "no signature, or seventeen", envelope
    if way == 2:
        return "something else that was signed", {**chance.choice(others), **({"payloadType": envelope["payloadType"]} if chance.random() < 0.5 else {})}
    if way == 3:
        del envelope[chance.choice(list(envelope))]
        return "a member is gone", envelope
    if way == 4:
        envelope[chance.choice(("payload2", "", "Payload", "signature"))] = envelope["payload"]
        return "an unknown member", envelope
    path = chance.choice(("payload", "payloadType", "signatures"))
    envelope[path] = another(chance, envelope[path])
    return f"another {path}", envelope


def raw(chance, envelope, _):
    keyid = envelope["signatures"][0].pop("keyid")  # a hint that is not signed: left as it is
    text = json.dumps(envelope).encode()
    changed = altered(chance, text)
    return "a byte of the text", changed.replace(b'"sig"', f'"keyid": "{keyid}", "sig"'.encode())
