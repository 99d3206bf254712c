// Another host, on which nothing of the page may ever arrive: TCP and UDP on 127.0.0.1, and the look-up of its names.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

const ANSWER =
  "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nCross-Origin-Resource-Policy: cross-origin\r\n" +
  "Content-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/** A host whose `seen` has everything that arrived: "connection", the first line of a request, or "packet". */
export async function startSink() {
  const seen = [];
  const sockets = new Set();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    seen.push("connection");
    let head = "";
    socket.on("data", (bytes) => {
      head += bytes.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      seen.push(head.split("\r\n")[0]);
      socket.end(ANSWER);
    });
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  tcp.listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const udp = createSocket("udp4");
  udp.on("message", () => seen.push("packet"));
  udp.bind(0, "127.0.0.1");
  await once(udp, "listening");
  return {
    seen,
    address: `http://127.0.0.1:${tcp.address().port}`,
    udpPort: udp.address().port,
    stop() {
      for (const socket of sockets) socket.destroy();
      tcp.close();
      udp.close();
    },
  };
}
