"""Requests that two implementations could read in two ways (RFC 9112), or that are none."""
HOST = b"Host: x\r\n"
GET = b"GET /v1/version HTTP/1.1\r\n"
POST = b"POST /v1/users HTTP/1.1\r\n" + HOST
SMUGGLED = b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"

# what: (bytes, the status that refuses them); nothing behind a refused request is answered.
TRICKS = {
    "two lengths": (POST + b"Content-Length: 0\r\nContent-Length: 38\r\n\r\n" + SMUGGLED, 400),
    "the same length twice": (POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + SMUGGLED, 400),
    "a length and chunks": (POST + b"Content-Length: 38\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks, packed": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 501),
    "chunks, hidden": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks in 1.0": (b"POST /v1/users HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    **{f"length {value!r}": (POST + b"Content-Length: " + value + b"\r\n\r\n" + SMUGGLED, 400) for value in
       (b"+5", b"-1", b"0x5", b"5 5", b"5,5", b"5;5", b"1e1", b"", b"9" * 30, b"18446744073709551616", b"\xc2\xb9")},
    "a folded line": (GET + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "a blank before the colon": (GET + b"Host : x\r\n\r\n", 400),
    "a blank before the name": (GET + HOST + b" X: y\r\n\r\n", 400),
    "no colon": (GET + HOST + b"X\r\n\r\n", 400),
    "no name": (GET + HOST + b": y\r\n\r\n", 400),
    "bare line feeds": (b"GET /v1/version HTTP/1.1\nHost: x\n\n" + b"\r\n\r\n", 400),
    "one bare line feed": (GET + HOST + b"X: a\nY: b\r\n\r\n", 400),
    "a bare return": (GET + HOST + b"X: a\rY: b\r\n\r\n", 400),
    "NUL in a value": (GET + HOST + b"X: a\0b\r\n\r\n", 400),
    "NUL in a name": (GET + HOST + b"X\0: a\r\n\r\n", 400),
    "NUL in the target": (b"GET /v1/ver\0sion HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no host": (GET + b"\r\n", 400),
    "two hosts": (GET + HOST + HOST + b"\r\n", 400),
    "absolute form": (b"GET http://x/v1/version HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "another authority": (b"GET //evil/v1/version HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a tunnel": (b"CONNECT evil:80 HTTP/1.1\r\n" + HOST + b"\r\n", (400, 405, 501)),
    "dots": (b"GET /v1/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "hidden dots": (b"GET /ledger/tile/0/%2e%2e/%2e%2e/%2e%2e/keeper/master.key HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "half an escape": (b"GET /v1/%2 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a fragment": (b"GET /v1/version#x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "HTTP/0.9": (b"GET /v1/version\r\n\r\n", 400),
    "HTTP/1.2": (b"GET /v1/version HTTP/1.2\r\n" + HOST + b"\r\n", 505),
    "HTTP/2.0": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "HTTP/1.10": (b"GET /v1/version HTTP/1.10\r\n" + HOST + b"\r\n", (400, 505)),
    "lower case": (b"GET /v1/version http/1.1\r\n" + HOST + b"\r\n", 400),
    "two blanks": (b"GET  /v1/version HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a tab": (b"GET\t/v1/version HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\r\n\r\n", 400),
    "a huge header": (GET + HOST + b"X: " + b"y" * (17 << 10) + b"\r\n\r\n", 431),
    "a huge target": (b"GET /" + b"y" * (17 << 10) + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
    "many headers": (GET + HOST + b"X: y\r\n" * 101 + b"\r\n", 431),
    "an endless head": (GET + HOST + b"X: y\r\n" * 4000, 431),
    "an unknown method": (b"BREW /v1/version HTTP/1.1\r\n" + HOST + b"\r\n", 405),
}

# Bodies in chunks that cannot be read in one way only.
CHUNKS = {
    "no number": b"zz\r\n", "negative": b"-1\r\n", "signed": b"+1\r\na\r\n", "prefixed": b"0x1\r\na\r\n",
    "blank": b" 1\r\na\r\n", "too large": b"fffffffffffffffff\r\n",
    "longer than said": b"1\r\nabc\r\n0\r\n\r\n", "bare line feed": b"1\na\n0\n\n", "a long extension": b"1;" + b"x" * 9000 + b"\r\na\r\n",
}
