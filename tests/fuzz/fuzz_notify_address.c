/* SPDX-License-Identifier: MIT */
/* The value of NOTIFY_SOCKET. What is taken says in full where to send, and is the same text. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Linux 5.10's does not stand alone. */
#include <linux/vm_sockets.h>

#include "sys/notify_address.h"

#include "fuzz.h"

static void check_unix(const char *text, const struct sockaddr_storage *address, socklen_t length) {
	const struct sockaddr_un *un = (const struct sockaddr_un *)address;
	size_t head = offsetof(struct sockaddr_un, sun_path), n = strlen(text);
	bool is_abstract = text[0] == '@';

	must(length > head + 1 && length <= sizeof(*un));
	/* A path counts with its NUL, an abstract name has one in front. */
	must(length == head + n + (is_abstract ? 0 : 1));
	must(un->sun_path[0] == (is_abstract ? '\0' : '/'));
	must(memcmp(un->sun_path + 1, text + 1, n - 1) == 0);
	must(is_abstract || un->sun_path[n] == '\0');
}

static void check_vsock(const char *text, const struct sockaddr_storage *address, socklen_t length,
			int type) {
	const struct sockaddr_vm *vm = (const struct sockaddr_vm *)address;
	const char *prefix = type == SOCK_STREAM      ? "vsock-stream:"
			     : type == SOCK_DGRAM     ? "vsock-dgram:"
			     : type == SOCK_SEQPACKET ? "vsock-seqpacket:"
						      : "vsock:";
	char *end;

	must(strncmp(text, prefix, strlen(prefix)) == 0 && length == sizeof(*vm));
	text += strlen(prefix);
	must(vm->svm_cid != VMADDR_CID_ANY && strtoul(text, &end, 10) == vm->svm_cid);
	must(*end == ':' && strtoul(end + 1, &end, 10) == vm->svm_port && *end == '\0');
	must(vm->svm_port != VMADDR_PORT_ANY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text = fuzz_text(data, size);
	struct sockaddr_storage address;
	socklen_t length = 0;
	int type = -1, r;

	memset(&address, 0xa5, sizeof(address));
	r = notify_address_parse(text, &address, &length, &type);
	must(r == 0 || r == -EINVAL || r == -ENAMETOOLONG);
	if (r < 0) {
		must(length == 0 && type == -1);
	} else if (address.ss_family == AF_UNIX) {
		must(type == SOCK_DGRAM);
		check_unix(text, &address, length);
	} else {
		must(address.ss_family == AF_VSOCK);
		check_vsock(text, &address, length, type);
	}
	free(text);
	return 0;
}
