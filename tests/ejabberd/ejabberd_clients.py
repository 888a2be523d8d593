"""Small XMPP clients for the tests: TCP with the PROXY protocol, WebSocket (RFC 7395) and BOSH (XEP-0206)."""

import base64
import http.client
import ipaddress
import os
import random
import socket
import struct
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
HTTPBIND = "http://jabber.org/protocol/httpbind"
SM = "urn:xmpp:sm:3"
PATIENCE = 30


class Refused(Exception):
    """The server said no."""


def name(element):
    """The local name of an element."""
    return element.tag.rpartition("}")[2]


def proxy_header(source, version):
    """What HAProxy sends ahead of a connection from `source`."""
    address = ipaddress.ip_address(source)
    local = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    if version == 1:
        return f"PROXY TCP{address.version} {address} {local} 50000 5222\r\n".encode()
    family = 0x11 if address.version == 4 else 0x21
    body = address.packed + local.packed + struct.pack("!HH", 50000, 5222)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, family, len(body)) + body


class Client:
    """What all transports have in common. They add open_stream, send, receive and close."""

    def login(self, user, password="secret", resource="", mechanism="PLAIN"):
        self.open_stream()
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode() if mechanism == "PLAIN" else ""
        self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{token}</auth>")
        answer = self.receive()
        if name(answer) != "success":
            raise Refused(ET.tostring(answer, "unicode"))
        self.open_stream()
        wanted = f"<resource>{escape(resource)}</resource>" if resource else ""
        answer = self.ask("set", f"<bind xmlns='{BIND}'>{wanted}</bind>")
        self.jid = answer.findtext(f".//{{{BIND}}}jid")
        return self

    def ask(self, kind, content):
        """Sends an iq and returns its answer."""
        number = f"q{random.getrandbits(48):x}"
        self.send(f"<iq xmlns='{CLIENT}' type='{kind}' id='{number}'>{content}</iq>")
        while True:
            answer = self.receive()
            if answer.get("id") == number:
                if answer.get("type") != "result":
                    raise Refused(ET.tostring(answer, "unicode"))
                return answer

    def ping(self):
        return self.ask("get", "<ping xmlns='urn:xmpp:ping'/>")


class Tcp(Client):
    def __init__(self, port, source=None, version=1, host="127.0.0.1", path=None, domain="localhost"):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(str(path))
        else:
            self.socket = socket.create_connection((host, port), timeout=PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.domain = domain
        if source:
            self.socket.sendall(proxy_header(source, version))

    def open_stream(self):
        self.parser = ET.XMLPullParser(["start", "end"])
        self.events = iter(())
        self.depth = 0
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'"
            f" to='{self.domain}' version='1.0'>"
        )
        return self.receive()

    def send(self, text):
        self.socket.sendall(text.encode())

    def receive(self):
        """The next element of the stream."""
        while True:
            for event, element in self.parser.read_events():
                self.depth += 1 if event == "start" else -1
                if event == "end" and self.depth == 1:
                    return element
                if event == "end" and self.depth == 0:
                    raise EOFError("the stream was closed")
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the connection was closed")
            self.parser.feed(data)

    def close(self):
        try:
            self.socket.sendall(b"</stream:stream>")
            while self.socket.recv(65536):
                pass
        except OSError:
            pass
        self.socket.close()

    def lose(self):
        """Ends the connection as a broken line does: without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def enable_resumption(self):
        self.send(f"<enable xmlns='{SM}' resume='true'/>")
        while name(answer := self.receive()) != "enabled":
            pass
        self.resumption = answer.get("id")

    def resume(self, user, resumption, password="secret"):
        """Logs in and takes a lost session over, with the resource that it has."""
        self.open_stream()
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
        assert name(self.receive()) == "success"
        self.open_stream()
        self.send(f"<resume xmlns='{SM}' previd='{resumption}' h='0'/>")
        answer = self.receive()
        if name(answer) != "resumed":
            raise Refused(ET.tostring(answer, "unicode"))


class WebSocket(Client):
    def __init__(self, port, source=None, domain="localhost"):
        self.domain = domain
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        forwarded = f"X-Forwarded-For: {source}\r\n" if source else ""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {domain}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n"
            f"{forwarded}\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        status = self.file.readline()
        if b" 101 " not in status:
            raise Refused(status.decode())
        while self.file.readline().strip():
            pass

    def open_stream(self):
        self.send(f"<open xmlns='{FRAMING}' to='{self.domain}' version='1.0'/>")
        while name(answer := self.receive()) == "open":
            pass
        return answer

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        length = bytes([128 | len(data)]) if len(data) < 126 else bytes([128 | 126]) + struct.pack("!H", len(data))
        self.socket.sendall(b"\x81" + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self):
        while True:
            kind, length = self.exactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", self.exactly(2))
            data = self.exactly(length)
            if kind & 15 == 8:
                raise EOFError("the connection was closed")
            if kind & 15 == 1:
                return ET.fromstring(data)

    def exactly(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError("the connection was closed")
        return data

    def close(self):
        try:
            self.send(f"<close xmlns='{FRAMING}'/>")
        except OSError:
            pass
        self.file.close()
        self.socket.close()


class Bosh(Client):
    def __init__(self, port, source=None, domain="localhost"):
        self.domain = domain
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.headers = {"Content-Type": "text/xml; charset=utf-8"}
        if source:
            self.headers["X-Forwarded-For"] = source
        self.number = random.getrandbits(30)
        self.session = None
        self.waiting = []

    def open_stream(self):
        attributes = f"to='{self.domain}' xmlns:xmpp='urn:xmpp:xbosh'"
        if self.session:
            self.post(attributes + " xmpp:restart='true'")
        else:
            self.session = self.post(attributes + " ver='1.6' wait='5' hold='1' xmpp:version='1.0'").get("sid")
        return self.receive()

    def post(self, attributes="", content=""):
        self.number += 1
        session = f" sid='{self.session}'" if self.session else ""
        body = f"<body xmlns='{HTTPBIND}' rid='{self.number}'{session} {attributes}>{content}</body>"
        self.http.request("POST", "/bosh", body, self.headers)
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Refused(f"{answer.status}: {text}")
        element = ET.fromstring(text)
        self.waiting += list(element)
        return element

    def send(self, text):
        self.post(content=text)

    def receive(self):
        while not self.waiting:
            self.post()
        return self.waiting.pop(0)

    def close(self):
        self.post("type='terminate'")
        self.http.close()
