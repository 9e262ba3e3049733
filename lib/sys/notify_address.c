/* SPDX-License-Identifier: MIT */
#include "sys/notify_address.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

/* unix(7): a path counts with its NUL; an abstract name begins with one and ends where the length
 * says, so that a NUL at its end would be part of it. */
static int parse_unix(const char *text, struct sockaddr_storage *ret_address,
		      socklen_t *ret_length) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool is_abstract = text[0] == '@';
	size_t size = strlen(text) + (is_abstract ? 0 : 1);

	if (text[1] == '\0')
		return -EINVAL;
	if (size > sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, text, size);
	if (is_abstract)
		address.sun_path[0] = '\0';
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(ret_address, &address, sizeof(address));
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return 0;
}

/* "CID:PORT", both needed: VMADDR_CID_ANY is no one to send to. */
static int parse_vsock(const char *text, struct sockaddr_storage *ret_address,
		       socklen_t *ret_length) {
	struct sockaddr_vm address = {.svm_family = AF_VSOCK};
	const char *colon = strchr(text, ':');
	uint64_t cid, port;
	char number[11];

	if (!colon || (size_t)(colon - text) >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, (size_t)(colon - text));
	number[colon - text] = '\0';
	if (text_parse_u64(number, 0, VMADDR_CID_ANY - 1, &cid) < 0 ||
	    text_parse_u64(colon + 1, 0, VMADDR_PORT_ANY - 1, &port) < 0)
		return -EINVAL;
	address.svm_cid = (unsigned)cid;
	address.svm_port = (unsigned)port;
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(ret_address, &address, sizeof(address));
	*ret_length = sizeof(address);
	return 0;
}

int notify_address_parse(const char *text, struct sockaddr_storage *ret_address,
			 socklen_t *ret_length, int *ret_type) {
	static const struct {
		const char *prefix;
		int type;
	} kinds[] = {
		{"vsock:", 0},
		{"vsock-stream:", SOCK_STREAM},
		{"vsock-dgram:", SOCK_DGRAM},
		{"vsock-seqpacket:", SOCK_SEQPACKET},
	};
	int r;

	if (text[0] == '/' || text[0] == '@') {
		r = parse_unix(text, ret_address, ret_length);
		if (r == 0)
			*ret_type = SOCK_DGRAM;
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t length = strlen(kinds[i].prefix);

		if (strncmp(text, kinds[i].prefix, length) != 0)
			continue;
		r = parse_vsock(text + length, ret_address, ret_length);
		if (r == 0)
			*ret_type = kinds[i].type;
		return r;
	}
	return -EINVAL;
}
