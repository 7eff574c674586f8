// Socket.IO on Node, with the WebSocket engine that it has by default.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { OPTIONS, behave, emitMessage } from "./behaviour.mjs";

const EMIT = "/emit/";

const http = createServer((request, response) => {
  if (request.method !== "POST" || !request.url.startsWith(EMIT)) {
    response.end();
    return;
  }
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    emitMessage(io, request.url.slice(EMIT.length), JSON.parse(Buffer.concat(parts).toString()));
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 2 });
    response.end("{}");
  });
});

const io = new Server(http, OPTIONS);
behave(io);
http.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
