// A wire between two peers that reads the first two messages of TLS as they pass: they are not
// encrypted, so neither peer has to be believed about the keys that it agreed.
import { createConnection, createServer } from "node:net";

const names = new Map([[0x0017, "secp256r1"], [0x0018, "secp384r1"], [0x001d, "X25519"], [0x11ec, "X25519MLKEM768"]]);
const nameOf = (group) => names.get(group) ?? `0x${group.toString(16).padStart(4, "0")}`;
const supportedGroups = 10;
const keyShare = 51;
const helloBytesMax = 16 << 10;

/** Reads big-endian numbers and vectors (RFC 8446, section 3). */
class Reader {
  #bytes;
  #at = 0;
  constructor(bytes) { this.#bytes = bytes; }
  get left() { return this.#bytes.length - this.#at; }
  number(width) {
    const value = this.#bytes.readUIntBE(this.#at, width);
    this.#at += width;
    return value;
  }
  take(length) {
    if (length > this.left) throw new RangeError("cut short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  vector(width) { return new Reader(this.take(this.number(width))); }
}

/** The first handshake message behind the lines of multistream-select, or nothing yet. */
function hello(bytes) {
  try {
    const reader = new Reader(bytes);
    let first = reader.number(1);
    for (; first !== 0x16; first = reader.number(1)) reader.take(first);
    reader.take(2);
    const record = reader.vector(2);
    return { kind: record.number(1), body: record.vector(3) };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function extensions(reader) {
  const found = new Map();
  for (const list = reader.vector(2); list.left > 0;) found.set(list.number(2), list.vector(2));
  return found;
}

/** What a client offers: all its groups, and those that it sends a share for (RFC 8446, 4.1.2). */
function offer({ body }) {
  body.take(2 + 32);
  body.vector(1);
  body.vector(2);
  body.vector(1);
  const found = extensions(body);
  const groups = [];
  for (const list = found.get(supportedGroups).vector(2); list.left > 0;) groups.push(nameOf(list.number(2)));
  const shares = [];
  for (const list = found.get(keyShare).vector(2); list.left > 0; list.vector(2)) shares.push(nameOf(list.number(2)));
  return { groups, shares };
}

/** The group that a server chose (RFC 8446, 4.1.3). */
function choice({ body }) {
  body.take(2 + 32);
  body.vector(1);
  body.take(2 + 1);
  return nameOf(extensions(body).get(keyShare).number(2));
}

/** Passes on what comes to a port of its own, and remembers how the last connection began. */
export async function tap(port) {
  const seen = { offered: undefined, chosen: undefined };
  const sockets = new Set();
  const watch = (from, to, read) => {
    let head = Buffer.alloc(0);
    from.on("data", (data) => {
      to.write(data);
      if (head.length > helloBytesMax) return;
      head = Buffer.concat([head, data]);
      const message = hello(head);
      if (message === undefined) return;
      read(message);
      head = Buffer.alloc(helloBytesMax + 1);
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => sockets.delete(from));
    sockets.add(from);
  };
  const server = createServer((client) => {
    const node = createConnection(port, "127.0.0.1");
    watch(client, node, (message) => { if (message.kind === 1) seen.offered = offer(message); });
    watch(node, client, (message) => { if (message.kind === 2) seen.chosen = choice(message); });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((done) => server.close(done));
  };
  return { port: server.address().port, seen, stop };
}
