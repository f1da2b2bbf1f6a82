"""What aiosmtpd does with a message here: it goes into a Maildir, unless the folder says otherwise."""

import os
from aiosmtpd.handlers import Mailbox


class Moody(Mailbox):
    """With a file `busy` in the folder it refuses for now; it has no mailbox of whoever is called gone."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__(os.path.join(folder, "mail"))

    async def handle_RCPT(self, server, session, envelope, address, options):
        if os.path.exists(os.path.join(self.folder, "busy")):
            return "451 come back later"
        if address.startswith("gone@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    @classmethod
    def from_cli(cls, parser, *args):
        return cls(args[0])
