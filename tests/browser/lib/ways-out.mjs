// Every way that a page has to make something leave the device. Each runs in the page; `to` is an address of another
// host, `udp` a port there, `host` a name that only a look-up would send anywhere.

/** Ways out that leave the page where it is. */
export const REQUESTS = {
  fetch: ({ to }) => fetch(to, { mode: "no-cors" }),
  "fetch that outlives the page": ({ to }) => fetch(to, { mode: "no-cors", method: "POST", body: "x", keepalive: true }),
  XMLHttpRequest: ({ to }) => {
    const request = new XMLHttpRequest();
    request.open("GET", to);
    request.send();
  },
  beacon: ({ to }) => navigator.sendBeacon(to, "x"),
  EventSource: ({ to }) => new EventSource(to),
  WebSocket: ({ to }) => new WebSocket(to.replace("http", "ws")),
  "WebRTC, by a STUN server": async ({ udp }) => {
    const connection = new RTCPeerConnection({ iceServers: [{ urls: `stun:127.0.0.1:${udp}` }] });
    connection.createDataChannel("x");
    await connection.setLocalDescription(await connection.createOffer());
  },
  "WebRTC of an empty frame": async ({ udp }) => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    const connection = new frame.contentWindow.RTCPeerConnection({ iceServers: [{ urls: `stun:127.0.0.1:${udp}` }] });
    connection.createDataChannel("x");
    await connection.setLocalDescription(await connection.createOffer());
  },
  "WebTransport": ({ udp }) => new WebTransport(`https://127.0.0.1:${udp}/`).ready,
  picture: ({ to }) => (new Image().src = to),
  "picture of an SVG": ({ to }) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const image = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "image"));
    image.setAttribute("href", to);
    document.body.append(svg);
  },
  "button with a picture": ({ to }) => {
    const input = document.body.appendChild(document.createElement("input"));
    input.type = "image";
    input.src = to;
  },
  "font face": ({ to }) => new FontFace("leak", `url(${to})`).load(),
  "CSS background": ({ to }) => (document.body.style.backgroundImage = `url(${to})`),
  "CSS cursor": ({ to }) => {
    const box = document.body.appendChild(document.createElement("div"));
    Object.assign(box.style, { position: "fixed", inset: "0", backgroundImage: `url(${to})`, content: `url(${to})` });
    setTimeout(() => box.remove(), 200);
  },
  "CSS import": ({ to }) => {
    const style = document.head.appendChild(document.createElement("style"));
    style.textContent = `@import url(${to});`;
  },
  "style sheet": ({ to }) => link({ rel: "stylesheet", href: to }),
  prefetch: ({ to }) => link({ rel: "prefetch", href: to }),
  preload: ({ to }) => link({ rel: "preload", as: "image", href: to }),
  modulepreload: ({ to }) => link({ rel: "modulepreload", href: to }),
  "another icon": ({ to }) => link({ rel: "icon", href: to, type: "image/png" }),
  preconnect: ({ to }) => link({ rel: "preconnect", href: to }),
  "look-up of a name": ({ host }) => link({ rel: "dns-prefetch", href: `http://${host}/` }),
  "speculation rules": ({ to }) => {
    const script = document.createElement("script");
    script.type = "speculationrules";
    script.textContent = JSON.stringify({ prefetch: [{ source: "list", urls: [to], eagerness: "immediate" }] });
    document.head.append(script);
  },
  iframe: ({ to }) => (document.body.appendChild(document.createElement("iframe")).src = to),
  "iframe with a document of its own": ({ to }) => {
    document.body.appendChild(document.createElement("iframe")).srcdoc = `<img src="${to}">`;
  },
  object: ({ to }) => (document.body.appendChild(document.createElement("object")).data = to),
  embed: ({ to }) => (document.body.appendChild(document.createElement("embed")).src = to),
  video: ({ to }) => (document.body.appendChild(document.createElement("video")).src = to),
  "poster of a video": ({ to }) => (document.body.appendChild(document.createElement("video")).poster = to),
  audio: ({ to }) => void new Audio(to).load(),
  script: ({ to }) => (document.head.appendChild(document.createElement("script")).src = to),
  "import()": ({ to }) => import(to),
  "worklet": ({ to }) => new OfflineAudioContext(1, 1, 8000).audioWorklet.addModule(to),
  "form": ({ to }) => {
    const form = document.body.appendChild(document.createElement("form"));
    form.action = to;
    // Into a frame, so that the page stays.
    document.body.appendChild(document.createElement("iframe")).name = form.target = "leak";
    form.submit();
  },
};

/** Ways out by which the page itself goes, or another one opens: each is begun by a press on `#leak`. */
export const NAVIGATIONS = {
  "location =": ({ to }) => (location.href = to),
  "a link": ({ to }) => anchor({ href: to }).click(),
  "the ping of a link": ({ to }) => anchor({ href: "#", ping: to }).click(),
  "a link into another tab": ({ to }) => anchor({ href: to, target: "_blank" }).click(),
  "a download": ({ to }) => anchor({ href: to, download: "x" }).click(),
  "window.open": ({ to }) => window.open(to),
  "meta refresh": ({ to }) => {
    const meta = document.head.appendChild(document.createElement("meta"));
    meta.httpEquiv = "refresh";
    meta.content = `0;url=${to}`;
  },
  "a form": ({ to }) => {
    const form = document.body.appendChild(document.createElement("form"));
    form.action = to;
    form.submit();
  },
  "a form into another tab": ({ to }) => {
    const form = document.body.appendChild(document.createElement("form"));
    Object.assign(form, { action: to, target: "_blank" });
    form.submit();
  },
  "a frame that moves the page": ({ to }) => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    frame.contentWindow.top.location.href = to;
  },
};

/** What the ways use in the page. */
export const HELPERS = `
  const link = (attributes) => document.head.appendChild(Object.assign(document.createElement("link"), attributes));
  const anchor = (attributes) => document.body.appendChild(Object.assign(document.createElement("a"), attributes));
`;

/** The same as text that a model could write. */
export const AS_TEXT = (to) =>
  [
    `<img src="${to}">`,
    `![picture](${to})`,
    `[link](${to})`,
    `<script>fetch("${to}")</script>`,
    `<link rel="stylesheet" href="${to}">`,
    `<link rel="preconnect" href="${to}">`,
    `<style>@import url(${to}); body { background: url(${to}) }</style>`,
    `<meta http-equiv="refresh" content="0;url=${to}">`,
    `<iframe src="${to}"></iframe><object data="${to}"></object><embed src="${to}">`,
    `<video src="${to}" poster="${to}"></video><audio src="${to}"></audio>`,
    `<form action="${to}"><button autofocus onfocus="this.form.submit()">x</button></form>`,
    `<svg><image href="${to}"/><script>fetch("${to}")</script></svg>`,
    `<base href="${to}">`,
    to,
  ].join("\n");
