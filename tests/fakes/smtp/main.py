#!/usr/bin/python3
"""The stand-in for a mail server: takes every mail and keeps it as a file; see README.md."""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import os
import signal
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

DATA_MAX = 1 << 20
HANG_MAX_S = 120


class Mailbox:
    """What aiosmtpd calls. `mode`, a file of the folder, says how to misbehave."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def mode(self):
        try:
            with open(os.path.join(self.folder, "mode"), encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    async def handle_MAIL(self, server, session, envelope, address, options):
        mode = self.mode()
        if mode == "drop":
            server.transport.abort()
            return "421 going"
        if mode == "hang":
            self.note("hanging")
            for _ in range(HANG_MAX_S * 20):
                if self.mode() != "hang":
                    break
                await asyncio.sleep(0.05)
            server.transport.abort()
            return "421 going"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        mode = self.mode()
        if mode in ("451", "550"):
            self.note("refused")
            return f"{mode} not now, {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        text = mail.get_body(("plain",))
        html = mail.get_body(("html",))
        self.keep({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "ehlo": session.host_name,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "authenticated": bool(session.authenticated),
            "type": mail.get_content_type(),
            "parts": [part.get_content_type() for part in mail.iter_parts()],
            "subject": mail["Subject"],
            "headers": [[name, str(value)] for name, value in mail.items()],
            "raw": envelope.original_content.decode("ascii", "backslashreplace"),
            "text": text.get_content() if text else None,
            "html": html.get_content() if html else None,
        })
        return "250 kept"

    def keep(self, mail):
        self.count += 1
        name = os.path.join(self.folder, f"{os.getpid()}-{self.count:06}")
        with open(name + ".new", "w", encoding="utf-8") as file:
            json.dump(mail, file)
        os.rename(name + ".new", name + ".json")

    def note(self, what):
        """A line for tests that wait until something has happened."""
        with open(os.path.join(self.folder, "notes"), "a", encoding="ascii") as file:
            file.write(what + "\n")


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--cert", required=True, help="a PEM file")
    parser.add_argument("--key", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--no-starttls", action="store_true")
    parser.add_argument("--auth", help="USER:PASSWORD, without which no mail is taken")
    return parser.parse_args()


async def main():
    args = options()
    os.makedirs(args.folder, mode=0o700, exist_ok=True)
    mailbox = Mailbox(args.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)

    def authenticate(server, session, envelope, mechanism, data):
        given = f"{data.login.decode()}:{data.password.decode()}"
        return AuthResult(success=given == args.auth, handled=False)

    def make(**more):
        return SMTP(
            mailbox,
            data_size_limit=DATA_MAX,
            hostname="mail.test.invalid",
            ident="stand-in",
            authenticator=authenticate if args.auth else None,
            auth_required=args.auth is not None,
            **more,
        )

    loop = asyncio.get_running_loop()
    starttls = None if args.no_starttls else context
    plain = await loop.create_server(
        lambda: make(tls_context=starttls, auth_require_tls=starttls is not None),
        args.host, args.port)
    # aiosmtpd knows TLS that was there from the start only as "no STARTTLS needed".
    smtps = await loop.create_server(
        lambda: make(auth_require_tls=False), args.host, 0, ssl=context)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, smtps)]
    print(json.dumps({
        "pid": os.getpid(),
        "url": f"smtp://{args.host}:{ports[0]}",
        "smtps": f"smtps://{args.host}:{ports[1]}",
    }, separators=(",", ":")), flush=True)

    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    await end.wait()


if __name__ == "__main__":
    # What clients do badly, and what aiosmtpd thinks of it, is the test's to judge.
    warnings.simplefilter("ignore")
    logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
    try:
        asyncio.run(main())
    except OSError as error:
        sys.exit(f"main.py: {error}")
