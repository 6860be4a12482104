// SPDX-License-Identifier: Apache-2.0
//
// transport.js: one WebSocket of whichever kind there is: a browser's, React Native's, Node's (22 and later), or npm's `ws`.
//
// A dial takes { url, protocol, onOpen, onText, onClose } and answers with { send, close }. onClose is given { code, reason },
// and status and hint_ms where an upgrade was refused; it comes once, and nothing comes behind close(). An app may give one of its
// own to the client (options.dial).

export function webSocketDial(WebSocket) {
  return ({ url, protocol, onOpen, onText, onClose }) => {
    const socket = new WebSocket(url, protocol);
    let refused = {};
    let left = false;
    socket.onopen = () => { if (!left) onOpen(); };
    socket.onmessage = (event) => { if (!left && typeof event.data === 'string') onText(event.data); };
    socket.onerror = () => {}; // a close follows, and says as much
    socket.onclose = (event) => {
      if (left) return;
      left = true;
      onClose({ code: event.code, reason: event.reason, ...refused });
    };
    // Browsers do not tell why an upgrade was refused; `ws` does.
    socket.on?.('unexpected-response', (request, response) => {
      const seconds = Number(response.headers['retry-after']);
      refused = { status: response.statusCode, hint_ms: seconds > 0 ? seconds * 1000 : 0 };
      request.destroy();
      socket.terminate();
    });
    return {
      send: (text) => { if (socket.readyState === 1) socket.send(text); },
      // A browser cannot drop a TCP connection: we say goodbye, and look at nothing that still arrives.
      close: () => {
        left = true;
        socket.close(1000);
      },
    };
  };
}

export const systemClock = {
  now: () => Date.now(),
  setTimeout: (work, ms) => setTimeout(work, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};
