// Our side: the example program `peer` of the crate phytomer-p2p.
import { execFileSync, spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const repository = resolve(import.meta.dirname, "../../..");
const waitMs = 30_000;
const stopTimeoutMs = 10_000;
const complaintsMax = 40;

/** Builds the program and says where it is. */
function build() {
  const options = ["build", "--quiet", "--locked", "--workspace", "--example", "peer", "--message-format=json"];
  const output = execFileSync("cargo", options, { cwd: repository, encoding: "utf8", maxBuffer: 1 << 28 });
  const messages = output.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return messages.findLast((message) => message.executable)?.executable;
}

/** The topic on which the tests gossip. */
export const topic = "/phytomer/test/1";

const program = process.env.PHYTOMER_PEER_BIN ?? build();

/** A peer of ours; all that it tells is in `events`. */
export class OurPeer {
  events = [];
  #complaints = [];
  #waiting = new Set();
  #process;
  #ended;

  constructor(options) {
    this.#process = spawn(program, options, { stdio: ["pipe", "pipe", "pipe"] });
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      this.events.push(JSON.parse(line));
      for (const look of [...this.#waiting]) look();
    });
    createInterface({ input: this.#process.stderr }).on("line", (line) => {
      this.#complaints = [...this.#complaints.slice(1 - complaintsMax), line];
    });
    this.#ended = new Promise((done) => this.#process.once("exit", done));
  }

  /** Starts a peer and waits until it listens, on free ports of the loopback. */
  static async start(...options) {
    const listen = ["--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"];
    const peer = new OurPeer(["--topic", topic, "--no-mdns", ...listen, ...options]);
    const wanted = options.includes("--require-post-quantum") ? ["tcp"] : ["tcp", "quic"];
    for (const transport of wanted) await peer.until(`its ${transport} address`, () => peer.address(transport));
    return peer;
  }

  get id() {
    return this.#told("started")[0].peer;
  }

  /** Where it listens, with its id at the end. */
  address(transport) {
    return this.#told("listening").find(({ address }) => address.includes(`/${transport}`))?.address;
  }

  port(transport) {
    return Number(/\/(?:tcp|udp)\/(\d+)/.exec(this.address(transport))[1]);
  }

  /** The texts of the gossip that reached it. */
  get heard() {
    return this.#told("gossip").map(({ data }) => data);
  }

  /** Everybody who was ever connected and identified. */
  get met() {
    return [...new Set(this.#told("connected").map(({ peer }) => peer))];
  }

  /** Waits until a peer is connected and identified. */
  connected(peerId) {
    return this.until(`${peerId}`, () => this.#told("connected").find(({ peer }) => peer === String(peerId)));
  }

  /** Lets it dial; what came of it. */
  dial(address) {
    this.tell(`dial ${address}`);
    const outcomes = () => [...this.#told("dialled"), ...this.#told("dialFailed")];
    return this.until(`the dial of ${address}`, () => outcomes().find((outcome) => outcome.address === address));
  }

  /** What it says of itself and of its peers now. */
  async status() {
    const before = this.#told("status").length;
    this.tell("status");
    return this.until("its status", () => this.#told("status")[before]);
  }

  #told(kind) {
    return this.events.filter(({ event }) => event === kind);
  }

  tell(command) {
    this.#process.stdin.write(`${command}\n`);
  }

  /** Waits until `find` finds something, looking whenever the peer tells something. */
  until(what, find) {
    return new Promise((done, fail) => {
      const look = () => {
        const found = find();
        if (!found) return;
        clearTimeout(late);
        this.#waiting.delete(look);
        done(found);
      };
      const late = setTimeout(() => {
        this.#waiting.delete(look);
        const told = this.events.slice(-20).map((event) => JSON.stringify(event)).join("\n");
        fail(new Error(`${what} did not come within ${waitMs} ms; it told\n${told}\nand said\n${this.#complaints.join("\n")}`));
      }, waitMs);
      this.#waiting.add(look);
      look();
    });
  }

  async stop() {
    this.#process.stdin.end("quit\n");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), stopTimeoutMs);
    await this.#ended;
    clearTimeout(late);
  }
}
