/* SPDX-License-Identifier: MIT */
#include "sys/file_system.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/defs.h"

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

const char *file_system_that_waits(const char *path) {
	char folder[PATH_MAX];
	size_t length = strlen(path);
	struct statfs fs;
	int r;

	if (length >= sizeof(folder))
		return NULL;
	memcpy(folder, path, length + 1);
	while ((r = statfs(folder, &fs)) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		char *slash = strrchr(folder, '/');

		if (!slash || strcmp(folder, "/") == 0)
			return NULL;
		slash[slash == folder] = '\0';
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(waiting); i++)
		if (waiting[i].magic == (uint32_t)fs.f_type)
			return waiting[i].name;
	return NULL;
}
