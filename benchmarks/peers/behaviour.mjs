// What both JavaScript servers do: the part of the contract that is measured, in Socket.IO's own terms.
import jwt from "jsonwebtoken";

const KEY = process.env.JWT_SECRET_KEY;

export const OPTIONS = {
  serveClient: false,
  pingInterval: 1000 * Number(process.env.PING_INTERVAL ?? 25),
  pingTimeout: 20_000,
  transports: ["polling", "websocket"],
  ...(process.env.RECOVERY && { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } }),
};

export function behave(io) {
  const online = new Map();

  io.use((socket, next) => {
    try {
      const claims = jwt.verify(socket.handshake.auth.token, KEY, { algorithms: ["HS256"] });
      if (claims.type !== "access") throw new Error("not an access token");
      socket.data.userId = String(claims.sub);
      next();
    } catch (error) {
      next(error);
    }
  });

  io.on("connection", (socket) => {
    const { userId } = socket.data;
    socket.join(`user:${userId}`);
    online.set(userId, (online.get(userId) ?? 0) + 1);

    socket.on("join:conversation", (conversationId, answer) => {
      socket.join(`conversation:${conversationId}`);
      answer?.({ ok: true });
    });

    socket.on("typing:start", ({ conversationId }) => {
      const room = `conversation:${conversationId}`;
      if (socket.rooms.has(room)) socket.to(room).emit("typing:start", { conversationId, userId });
    });

    socket.on("user:get-status", (asked, answer) => {
      answer({ userId: asked, status: online.has(asked) ? "online" : "offline" });
    });

    socket.on("disconnect", () => {
      const left = online.get(userId) - 1;
      if (left === 0) online.delete(userId);
      else online.set(userId, left);
    });
  });
}

export function emitMessage(io, conversationId, message) {
  io.to(`conversation:${conversationId}`).emit("message:new", message);
}
