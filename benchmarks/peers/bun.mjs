// Socket.IO on Bun, with the engine that its authors made for it.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { OPTIONS, behave, emitMessage } from "./behaviour.mjs";

const EMIT = "/emit/";

const io = new Server();
const engine = new Engine({ path: "/socket.io/", pingInterval: OPTIONS.pingInterval, pingTimeout: OPTIONS.pingTimeout });
io.bind(engine);
behave(io);

const handler = engine.handler();

Bun.serve({
  ...handler,
  port: Number(process.env.PORT),
  hostname: "127.0.0.1",
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (pathname === "/socket.io/") return handler.fetch(request, server);
    if (request.method !== "POST" || !pathname.startsWith(EMIT)) return new Response();
    emitMessage(io, pathname.slice(EMIT.length), await request.json());
    return Response.json({});
  },
});
