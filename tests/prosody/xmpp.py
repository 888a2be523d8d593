"""Logs in to an XMPP server over TCP, WebSocket or BOSH, in plain text, as a
client behind a proxy does: RFC 6120, RFC 7395, XEP-0124 and XEP-0206, XEP-0198."""

import base64
import http.client
import os
import re
import socket
import struct
from xml.sax.saxutils import escape

PATIENCE = 10  # seconds, for a server that hangs


class Refused(Exception):
    """The server answered something else."""


class Tcp:
    """One stream. The session stays until `close` or `drop`."""

    def __init__(self, server, domain, address=None):
        self.domain, self.text = domain, ""
        self.socket = socket.create_connection(("127.0.0.1", self.port(server)), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def port(server):
        return server.c2s_port

    def send(self, text):
        self.socket.sendall(text.encode())

    def receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the server closed the connection")
        return data.decode()

    def until(self, pattern):
        """Reads on until `pattern` has come, and returns its match."""
        while not (found := re.search(pattern, self.text, re.S)):
            self.text += self.receive()
        self.text = self.text[found.end() :]
        return found

    def open_stream(self):
        self.send(
            f"<?xml version='1.0'?><stream:stream to='{self.domain}' version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        self.until("</stream:features>")

    def authenticate(self, user):
        self.open_stream()
        if user is None:
            self.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
        else:
            token = base64.b64encode(f"\0{user}\0secret".encode()).decode()
            self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        found = self.until("<success[^>]*>|<failure.*?</failure>")
        if not found[0].startswith("<success"):
            raise Refused(found[0])
        self.open_stream()

    def login(self, user, resource):
        self.authenticate(user)
        self.send(
            "<iq type='set' id='bind' xmlns='jabber:client'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"<resource>{escape(resource)}</resource></bind></iq>"
        )
        found = self.until("<iq.*?</iq>|<iq [^>]*/>")[0]
        jid = re.search("<jid>(.*?)</jid>", found)
        if not jid:
            raise Refused(found)
        self.jid = jid[1]
        return self

    def enable_resumption(self):
        self.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        self.token = re.search("id=['\"](.*?)['\"]", self.until("<enabled[^>]*>")[0])[1]

    def resume(self, user, token):
        self.authenticate(user)
        self.send(f"<resume xmlns='urn:xmpp:sm:3' h='0' previd='{token}'/>")
        found = self.until("<resumed[^>]*>|<failed.*?>")[0]
        if not found.startswith("<resumed"):
            raise Refused(found)

    def close(self):
        self.send("</stream:stream>")
        self.until("</stream:stream>")
        self.socket.close()

    def drop(self):
        """Ends the connection as a lost network does."""
        if self.socket.fileno() >= 0:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()


class WebSocket(Tcp):
    def __init__(self, server, domain, address=None):
        super().__init__(server, domain)
        self.raw = b""
        lines = [
            "GET /xmpp-websocket HTTP/1.1",
            f"Host: {domain}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: xmpp",
            "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
        ]
        if address is not None:
            lines.append(f"X-Forwarded-For: {address}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.raw:
            self.fill()
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Refused(head.decode())

    @staticmethod
    def port(server):
        return server.http_port

    def fill(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the server closed the connection")
        self.raw += data

    def take(self, count):
        while len(self.raw) < count:
            self.fill()
        data, self.raw = self.raw[:count], self.raw[count:]
        return data

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.socket.sendall(b"\x81" + length + mask + body)

    def receive(self):
        kind, length = self.take(2)
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        data = self.take(length)
        if kind & 15 == 8:
            raise EOFError("the server closed the connection")
        return data.decode()

    def open_stream(self):
        self.send(f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{self.domain}' version='1.0'/>")
        self.until("</stream:features>")

    def close(self):
        self.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
        self.until("<close[^>]*>")
        self.socket.close()


class Bosh(Tcp):
    def __init__(self, server, domain, address=None):
        self.domain, self.text, self.sid = domain, "", None
        self.rid = int.from_bytes(os.urandom(4), "big")
        self.connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=PATIENCE)
        self.headers = {"Content-Type": "text/xml; charset=utf-8", "Host": domain}
        if address is not None:
            self.headers["X-Forwarded-For"] = address

    def post(self, attributes="", body=""):
        self.rid += 1
        sid = f"sid='{self.sid}'" if self.sid else ""
        self.connection.request(
            "POST",
            "/http-bind",
            f"<body xmlns='http://jabber.org/protocol/httpbind' rid='{self.rid}' {sid} {attributes}>{body}</body>",
            self.headers,
        )
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise Refused(f"{answer.status} {text}")
        self.text += text
        return text

    def send(self, text):
        self.post("", text)

    def receive(self):
        self.post()
        return ""

    def open_stream(self):
        more = f"to='{self.domain}' xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh'"
        if self.sid:
            self.post(more + " xmpp:restart='true'")
        else:
            text = self.post(more + " wait='5' hold='1' ver='1.10' xmpp:version='1.0'")
            self.sid = re.search("sid=['\"](.*?)['\"]", text)[1]
        self.until("</stream:features>")

    def close(self):
        self.post("type='terminate'")
        self.connection.close()

    def drop(self):
        self.connection.close()


KINDS = {"tcp": Tcp, "websocket": WebSocket, "bosh": Bosh}
