"""The peer for HTTP: nginx with one process, as a server of static files and of PUT."""
import os
import signal
import socket
import subprocess
import time

from harness import free_port

# One worker, because our front is one process; no access log, because the front writes none.
CONFIGURATION = """
user root;
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {root}/body;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port};
    root {root}/files;
    location / {{ dav_methods PUT; }}
  }}
}}
"""


class Nginx:
    def __init__(self, directory):
        self.root, self.port = directory, free_port()
        self.files = directory / "files"
        self.files.mkdir(parents=True)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        text = CONFIGURATION.format(root=self.root, port=self.port)
        if os.geteuid() != 0:
            text = text.replace("user root;\n", "")
        (self.root / "nginx.conf").write_text(text)
        self.process = subprocess.Popen(["nginx", "-p", self.root, "-e", self.root / "error.log", "-c", self.root / "nginx.conf"],
                                        stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise RuntimeError(f"nginx does not answer: {(self.root / 'error.log').read_text()}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
