// Runs unmodified socket.io-client sockets for the Python tests: commands come as JSON lines on
// standard input, answers and everything that the sockets see go out as JSON lines in order.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const sockets = new Map();

const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// JSON has no bytes: they travel as {"$binary": base64} between the tests and this process.
function fromWire(value) {
  if (Array.isArray(value)) return value.map(fromWire);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$binary === "string") return Buffer.from(value.$binary, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromWire(item)]));
}

function toWire(value) {
  if (value instanceof ArrayBuffer) return toWire(Buffer.from(value));
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $binary: bytes.toString("base64") };
  }
  if (Array.isArray(value)) return value.map(toWire);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toWire(item)]));
}

function report(name, type, details) {
  write({ socket: name, type, ...details });
}

function open({ socket: name, url, options, rejoin }) {
  const { pid, offset, ...auth } = options.auth ?? {};
  // A page that was loaded again passes what it had kept until it has a connection, as docs/how-to/recover.md has it.
  const kept = pid === undefined ? {} : { auth: (send) => send(socket._pid ? auth : { ...auth, pid, offset }) };
  const socket = io(url, { forceNew: true, reconnection: false, ...options, ...kept });
  sockets.set(name, socket);
  const transport = () => socket.io.engine?.transport?.name;
  socket.on("connect", () => {
    report(name, "connect", { sid: socket.id, transport: transport(), recovered: socket.recovered });
    if (rejoin) socket.emit("join:conversation", rejoin, () => report(name, "joined", {}));
  });
  socket.io.engine.on("upgrade", () => report(name, "upgrade", { transport: transport() }));
  socket.on("connect_error", (error) => {
    report(name, "connect_error", { message: error.message, data: toWire(error.data ?? null) });
  });
  socket.on("disconnect", (reason) => report(name, "disconnect", { reason }));
  socket.onAny((event, ...args) => {
    if (typeof args.at(-1) === "function") args.pop()("acknowledged");
    report(name, "event", { event, args: toWire(args) });
  });
}

async function call({ socket: name, event, args, seconds }) {
  return toWire(
    await sockets
      .get(name)
      .timeout(seconds * 1000)
      .emitWithAck(event, ...fromWire(args)),
  );
}

function emit({ socket: name, event, args }) {
  sockets.get(name).emit(event, ...fromWire(args));
}

function close({ socket: name }) {
  sockets.get(name)?.disconnect();
  sockets.delete(name);
}

// The network gone without a word: no packet says goodbye.
function cut({ socket: name }) {
  sockets.get(name).io.engine.transport.ws.terminate();
}

// What a page keeps over a reload.
function place({ socket: name }) {
  const { _pid: pid, _lastOffset: offset } = sockets.get(name);
  return { pid, offset };
}

const commands = { open, call, emit, close, cut, place };

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[command.op](command))
    .then(
      (result) => write({ id: command.id, result: result ?? null }),
      (error) => write({ id: command.id, error: error.message }),
    );
}
process.exit(0);
