// SPDX-License-Identifier: MIT
// A server whose event loop stops to turn with a request for /hang.
"use strict";

function turnForEver() {
	for (;;);
}

require("http").createServer((request, response) => {
	if (request.url === "/hang")
		turnForEver();
	response.end("well\n");
}).listen(3000, "127.0.0.1");
