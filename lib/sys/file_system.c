/* SPDX-License-Identifier: MIT */
#include "sys/file_system.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/text.h"

/* f_type of statfs(2): the numbers of linux/magic.h, and of file systems outside of the kernel. */
static const struct {
	uint32_t magic;
	const char *name;
} waiting[] = {
	{0x00006969, "NFS"},    {0x0000517b, "SMB"},    {0xff534d42, "CIFS"},
	{0xfe534d42, "SMB"},    {0x65735546, "FUSE"},   {0x00c36400, "Ceph"},
	{0x01021997, "9P"},     {0x5346414f, "AFS"},    {0x6b414653, "AFS"},
	{0x73757245, "Coda"},   {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},
	{0x01161970, "GFS2"},   {0x7461636f, "OCFS2"},  {0x0000564c, "NCP"},
	{0x00000187, "autofs"}, {0x19830326, "BeeGFS"}, {0x20030528, "OrangeFS"},
};

/* No more links than the kernel follows. */
#define LINKS_MAX 40

/* @path becomes its folder. False: it has none. */
static bool go_up(char *path) {
	char *slash = strrchr(path, '/');

	if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
		return false;
	if (slash)
		slash[slash == path] = '\0';
	else
		memcpy(path, ".", sizeof("."));
	return true;
}

/* @path, a link to what is not there (yet), becomes what it names. False: it is none. */
static bool follow(char path[static PATH_MAX]) {
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	struct text t = {.data = path, .size = PATH_MAX};

	if (length <= 0)
		return false;
	target[length] = '\0';
	if (target[0] != '/') {
		(void)go_up(path);
		t.length = strlen(path);
		text_add(&t, "/");
	}
	text_add(&t, target);
	return true;
}

static const char *name_of(const struct statfs *fs) {
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		if (waiting[i].magic == (uint32_t)fs->f_type)
			return waiting[i].name;
	return NULL;
}

/* Errors of the path. All else is said by a file server that is not well at the moment. */
static bool tells_of_none(int error) {
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP ||
	       error == ENAMETOOLONG;
}

const char *file_system_that_waits(const char *path) {
	char place[PATH_MAX];
	size_t length = strlen(path);
	const char *name, *sick = NULL;
	struct statfs fs;
	int n_links = 0;

	if (length >= sizeof(place))
		return NULL;
	memcpy(place, path, length + 1);
	while (statfs(place, &fs) < 0) {
		int error = errno;

		if (error == ENOENT && n_links < LINKS_MAX && follow(place)) {
			n_links++;
			continue;
		}
		sick = tells_of_none(error) ? sick : "a file system that fails";
		if (!go_up(place))
			return sick;
	}
	name = name_of(&fs);
	return name ? name : sick;
}
