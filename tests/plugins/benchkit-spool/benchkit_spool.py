"""A hot folder, as cameras drop files into: a message is a file, the end of its name says where it stands."""
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchkit.transports.base import Address, Capabilities, Delivery, Receiver, Reply, Sender, Transport


def drop(path, parts):
    with path.with_suffix(".new").open("wb") as file:
        file.writelines(parts)
    path.with_suffix(".new").rename(path)  # whole or not at all

def poll(look, timeout):  # a folder cannot call us
    end = time.monotonic() + timeout
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.0005)
    return found

class SpoolSender(Sender):
    def __init__(self, folder, depth): self.folder, self.depth, self.sent = folder, depth, 0
    def send(self, parts, timeout):
        if found := poll(lambda: len(list(self.folder.glob("*.[th]*"))) < self.depth, timeout):
            drop(self.folder / f"{self.sent:012}.todo", parts)
            self.sent += 1
        return found
    def reply(self, timeout):  # noqa: RET503  (None when time is up)
        if path := poll(lambda: next(self.folder.glob("*.answer"), None), timeout):
            with path.open("rb") as file:
                path.unlink()
                return Reply(memoryview(file.read()))

class SpoolDelivery(Delivery):
    def __init__(self, path):
        self.path, self.view = path, memoryview(path.read_bytes())
    def reply(self, parts): drop(self.path.with_suffix(".answer"), parts)
    def ack(self): self.path.unlink()

class SpoolReceiver(Receiver):
    def __init__(self, folder, worker):
        self.folder, self.held = folder, f".held{worker}"
        for path in folder.glob("*" + self.held):  # whoever had this number before is gone
            path.rename(path.with_suffix(".todo"))
    def receive(self, timeout):  # noqa: RET503  (as above)
        while path := poll(lambda: min(self.folder.glob("*.todo"), default=None), timeout):
            with suppress(FileNotFoundError):  # another worker was faster
                return SpoolDelivery(path.rename(path.with_suffix(self.held)))

class Spool(Transport):
    """Files dropped into a folder."""
    kind = "spool"
    def capabilities(self): return Capabilities("at-least-once", "disk", "fifo", same_host=True)
    @contextmanager
    def prepare(self, setup):
        with TemporaryDirectory(dir=setup.folder) as folder:
            yield Address({"folder": folder}, path=f"files in {folder}")
    def sender(self, address): return SpoolSender(Path(address.where["folder"]), self.depth)
    def receiver(self, address, worker): return SpoolReceiver(Path(address.where["folder"]), worker)
