/* SPDX-License-Identifier: MIT */
#include "core/http_reply.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/*
 * The response is a row of lines, then perhaps a body, then perhaps lines again (chunks, trailers).
 * Lines are collected byte by byte, so that the result cannot depend on how the bytes were split;
 * only body bytes are taken in bulk.
 *
 * Framing follows RFC 9112 section 6.3: no body after HEAD, 204, 304 and 101; chunked coding before
 * Content-Length; differing Content-Length values are an error; without either the body ends with
 * the connection. A line ends with CRLF or LF alone (section 2.2); a CR anywhere else is refused.
 */

enum step {
	STEP_STATUS,
	STEP_HEADER,
	STEP_BODY_LENGTH, /* left bytes follow */
	STEP_BODY_CLOSE,  /* until the peer closes */
	STEP_CHUNK_SIZE,
	STEP_CHUNK_DATA, /* left bytes of this chunk follow */
	STEP_CHUNK_END,  /* the line end behind a chunk's data */
	STEP_TRAILER,
};

static void begin_head(struct http_reply *r) {
	r->step = STEP_STATUS;
	r->left = 0;
	r->line_length = 0;
	r->is_line_cut = r->has_cr = false;
	r->has_headers = r->is_folding_bad = false;
	r->has_length = r->has_coding = r->has_chunked = r->is_chunked = false;
	r->is_http10 = r->has_close = r->has_keep_alive = false;
	r->location[0] = '\0';
	r->is_location_cut = false;
}

void http_reply_init(struct http_reply *r, bool is_head_request) {
	r->state = HTTP_NEED_MORE;
	r->status = r->code = 0;
	r->has_head = r->will_close = false;
	r->error = NULL;
	r->is_head_request = is_head_request;
	r->received = r->body_length = r->head_length = 0;
	r->body[0] = '\0';
	begin_head(r);
}

static void broken(struct http_reply *r, const char *error) {
	r->state = HTTP_BROKEN;
	r->error = error;
}

/* "HTTP/1.1 200 OK", also without reason phrase and with several blanks before the code. */
static void on_status_line(struct http_reply *r) {
	const char *p = r->line + strlen("HTTP/1.");

	if (r->line_length <= strlen("HTTP/1.") || !isdigit((unsigned char)*p))
		return broken(r, "not an HTTP/1 response");
	r->is_http10 = *p++ == '0';
	if (*p != ' ' && *p != '\t')
		return broken(r, "a malformed status line");
	p += strspn(p, " \t");
	for (int i = 0; i < 3; i++)
		if (!isdigit((unsigned char)p[i]))
			return broken(r, "a malformed status line");
	r->code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	if ((p[3] != '\0' && p[3] != ' ' && p[3] != '\t') || r->code < 100)
		return broken(r, "a malformed status line");
	r->step = STEP_HEADER;
}

/*
 * Takes the next element of a comma list at *@p without blanks and parameters. Returns its length,
 * 0 where the list has ended; empty elements are left out (RFC 9110 section 5.6.1).
 */
static size_t next_element(const char **p, const char **ret_element) {
	size_t length, whole;

	*p += strspn(*p, ", \t");
	*ret_element = *p;
	whole = strcspn(*p, ",");
	length = strcspn(*p, ",;");
	while (length > 0 && ((*p)[length - 1] == ' ' || (*p)[length - 1] == '\t'))
		length--;
	*p += whole;
	return length;
}

static bool is_word(const char *element, size_t length, const char *word) {
	return length == strlen(word) && strncasecmp(element, word, length) == 0;
}

/* A list is allowed where all its values are the same (RFC 9112 section 6.3, item 5). */
static void on_content_length(struct http_reply *r, const char *value) {
	static const char bad[] = "a malformed Content-Length";
	const char *element;
	size_t length, n = 0;

	if (r->is_line_cut)
		return broken(r, bad);
	for (; (length = next_element(&value, &element)) > 0; n++) {
		uint64_t number = 0;

		for (size_t i = 0; i < length; i++)
			if (!isdigit((unsigned char)element[i]) ||
			    __builtin_mul_overflow(number, (uint64_t)10, &number) ||
			    __builtin_add_overflow(number, (uint64_t)(element[i] - '0'), &number))
				return broken(r, bad);
		if (element[length] == ';')
			return broken(r, bad);
		if (r->has_length && r->left != number)
			return broken(r, "contradictory Content-Length headers");
		r->has_length = true;
		r->left = number;
	}
	if (n == 0)
		broken(r, bad);
}

/* Chunked must be the last coding to frame the body; "identity" is the absence of a coding. */
static void on_transfer_encoding(struct http_reply *r, const char *value) {
	const char *element;
	size_t length;

	if (r->is_line_cut)
		return broken(r, "a malformed Transfer-Encoding");
	while ((length = next_element(&value, &element)) > 0) {
		if (is_word(element, length, "identity"))
			continue;
		r->has_coding = true;
		r->is_chunked = is_word(element, length, "chunked");
		if (r->is_chunked && r->has_chunked)
			return broken(r, "a body that is chunked twice");
		r->has_chunked |= r->is_chunked;
	}
}

static void on_connection(struct http_reply *r, const char *value) {
	const char *element;
	size_t length;

	while ((length = next_element(&value, &element)) > 0) {
		r->has_close |= is_word(element, length, "close");
		r->has_keep_alive |= is_word(element, length, "keep-alive");
	}
}

static void on_location(struct http_reply *r, char *value) {
	size_t length = strlen(value);

	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		length--;
	memcpy(r->location, value, length);
	r->location[length] = '\0';
	r->is_location_cut = r->is_line_cut;
}

static void on_header_line(struct http_reply *r) {
	size_t name = strspn(r->line, "!#$%&'*+-.^_`|~0123456789"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	char *value;

	/* A folded line goes on with the one before (RFC 9112 section 5.2): harmless but where the
	 * value matters. */
	if (r->line[0] == ' ' || r->line[0] == '\t') {
		if (!r->has_headers || r->is_folding_bad)
			broken(r, "a folded header line");
		return;
	}
	if (name == 0 || r->line[name] != ':')
		return broken(r, "a malformed header line");
	value = r->line + name + 1;
	value += strspn(value, " \t");
	r->has_headers = true;
	r->is_folding_bad = true;
	if (is_word(r->line, name, "Content-Length"))
		on_content_length(r, value);
	else if (is_word(r->line, name, "Transfer-Encoding"))
		on_transfer_encoding(r, value);
	else if (is_word(r->line, name, "Location"))
		on_location(r, value);
	else if (is_word(r->line, name, "Connection"))
		on_connection(r, value);
	else
		r->is_folding_bad = false;
}

static void on_head_end(struct http_reply *r) {
	/* 1xx only announce the answer, but for 101, after which no HTTP follows. */
	if (r->code < 200 && r->code != 101)
		return begin_head(r);

	r->status = r->code;
	r->has_head = true;
	r->will_close = r->has_close || (r->is_http10 && !r->has_keep_alive);
	if (r->is_head_request || r->code == 101 || r->code == 204 || r->code == 304)
		r->state = HTTP_DONE;
	else if (r->is_chunked)
		r->step = STEP_CHUNK_SIZE;
	else if (r->has_length && !r->has_coding) {
		r->step = STEP_BODY_LENGTH;
		if (r->left == 0)
			r->state = HTTP_DONE;
	} else {
		r->step = STEP_BODY_CLOSE;
		r->will_close = true;
	}
}

static void on_chunk_size(struct http_reply *r) {
	static const char bad[] = "a malformed chunk";
	const char *p = r->line;

	r->left = 0;
	if (r->is_line_cut || !isxdigit((unsigned char)*p))
		return broken(r, bad);
	for (; isxdigit((unsigned char)*p); p++) {
		unsigned digit = isdigit((unsigned char)*p)
					 ? (unsigned)(*p - '0')
					 : (unsigned)(tolower((unsigned char)*p) - 'a') + 10;

		if (r->left > UINT64_MAX >> 4)
			return broken(r, bad);
		r->left = r->left << 4 | digit;
	}
	p += strspn(p, " \t");
	if (*p != '\0' && *p != ';')
		return broken(r, bad);
	r->step = r->left == 0 ? STEP_TRAILER : STEP_CHUNK_DATA;
}

static void on_line(struct http_reply *r) {
	switch (r->step) {
	case STEP_STATUS:
		return on_status_line(r);
	case STEP_HEADER:
		return r->line_length == 0 ? on_head_end(r) : on_header_line(r);
	case STEP_CHUNK_SIZE:
		return on_chunk_size(r);
	case STEP_CHUNK_END:
		r->step = STEP_CHUNK_SIZE;
		return;
	case STEP_TRAILER:
		if (r->line_length == 0)
			r->state = HTTP_DONE;
		return;
	}
}

/* One byte of a line. */
static void take_line_byte(struct http_reply *r, char c) {
	static const char version[] = "HTTP/1.";
	bool is_head = r->step == STEP_STATUS || r->step == STEP_HEADER || r->step == STEP_TRAILER;

	if (is_head && ++r->head_length > HTTP_HEAD_MAX)
		return broken(r, "headers larger than 16 KiB");
	if (c == '\n') {
		r->line[r->line_length] = '\0';
		on_line(r);
		r->line_length = 0;
		r->is_line_cut = r->has_cr = false;
		return;
	}
	/* What is not HTTP (HTTP/0.9, HTTP/2, TLS, a banner) shows at once, and need not be waited
	 * for. */
	if (r->step == STEP_STATUS && r->line_length < strlen(version) &&
	    (c != version[r->line_length] || r->has_cr))
		return broken(r, "not an HTTP/1 response");
	if (r->has_cr)
		return broken(r, "a carriage return within a line");
	if (c == '\0')
		return broken(r, "a NUL byte in the headers");
	if (r->step == STEP_CHUNK_END && c != '\r')
		return broken(r, "a malformed chunk");
	if (c == '\r')
		r->has_cr = true;
	else if (r->line_length < sizeof(r->line) - 1)
		r->line[r->line_length++] = c;
	else if (r->step == STEP_CHUNK_SIZE)
		broken(r, "a malformed chunk");
	else
		r->is_line_cut = true;
}

/* Keeps what there is room for. Returns how much of @length was taken; all but what is too much. */
static size_t take_body(struct http_reply *r, const char *data, size_t length) {
	size_t n = MIN(length, HTTP_BODY_MAX - r->body_length);

	memcpy(r->body + r->body_length, data, n);
	r->body_length += n;
	r->body[r->body_length] = '\0';
	return n;
}

/* Body bytes. Returns how many of @length were taken. */
static size_t take_body_bytes(struct http_reply *r, const char *data, size_t length) {
	size_t n = length;

	if (r->step != STEP_BODY_CLOSE && n > r->left)
		n = (size_t)r->left;
	n = take_body(r, data, n);
	if (r->step == STEP_BODY_CLOSE) {
		if (n < length)
			r->state = HTTP_CUT;
		return n;
	}
	r->left -= n;
	if (r->left > 0) {
		if (r->body_length == HTTP_BODY_MAX)
			r->state = HTTP_CUT;
	} else if (r->step == STEP_BODY_LENGTH)
		r->state = HTTP_DONE;
	else
		r->step = STEP_CHUNK_END;
	return n;
}

enum http_state http_reply_feed(struct http_reply *r, const char *data, size_t length) {
	while (length > 0 && r->state == HTTP_NEED_MORE) {
		size_t n = 1;

		if (r->step == STEP_BODY_LENGTH || r->step == STEP_BODY_CLOSE ||
		    r->step == STEP_CHUNK_DATA)
			n = take_body_bytes(r, data, length);
		else
			take_line_byte(r, *data);
		r->received += n;
		data += n;
		length -= n;
	}
	return r->state;
}

enum http_state http_reply_end(struct http_reply *r) {
	if (r->state != HTTP_NEED_MORE)
		return r->state;
	if (r->step == STEP_BODY_CLOSE)
		r->state = HTTP_DONE;
	else if (r->received == 0)
		broken(r, "the connection was closed without a response");
	else if (!r->has_head)
		broken(r, "the connection was closed within the headers");
	else if (r->step == STEP_BODY_LENGTH)
		broken(r, "the body is shorter than its Content-Length");
	else
		broken(r, "the connection was closed within a chunked body");
	return r->state;
}
