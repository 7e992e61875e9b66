#!/usr/bin/env python3
"""What Apprise, a client of its own, sends for the cases of cases.json: `apprise.json`, which tests/notify.rs holds ours
against. Needs `pip install apprise`; writes the file again.

    python3 tests/notify/against_apprise.py
"""
import http.server
import json
import pathlib
import threading

import apprise
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.pushover import NotifyPushover
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

HERE = pathlib.Path(__file__).parent
KEPT = ("authorization", "content-type", "x-gotify-key")
seen = []


class Recorder(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() in KEPT}
        seen.append({"method": self.command, "path": self.path, "headers": headers, "body": body})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Recorder)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
base = f"http://127.0.0.1:{port}"
NotifyPushover.notify_url = base + "/1/messages.json"
NotifyDiscord.notify_url = base + "/api/webhooks"
NotifySlack.webhook_url = base + "/services"
NotifyTelegram.notify_url = base + "/bot"

asked = json.loads((HERE / "cases.json").read_text())
requests = {}
for name, case in asked["cases"].items():
    client = apprise.Apprise()
    assert client.add(case["apprise"].replace("{port}", str(port))), name
    assert client.notify(title=asked["message"]["title"], body=asked["message"]["body"]), name
    (requests[name],) = seen
    seen.clear()
told = {"apprise": apprise.__version__, "requests": requests}
(HERE / "apprise.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
