/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into sdwd and sdwd-prober (and nothing else that they start): how many blocks, and how
 * many bytes in them, they have of malloc(3), as two 64-bit numbers in the file $SOAK_HEAP.PID.
 * Those from before the first instruction here are not counted: what matters is the difference.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static struct { int64_t blocks, bytes; } * shared;

static pid_t owner;

__attribute__((constructor)) static void begin(void) {
	const char *path = getenv("SOAK_HEAP"), *name = program_invocation_short_name;
	char file[256];
	int fd;

	if (!path || (strcmp(name, "sdwd") != 0 && strcmp(name, "sdwd-prober") != 0))
		return;
	snprintf(file, sizeof(file), "%s.%d", path, getpid());
	fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)) < 0)
		abort();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		abort();
	owner = getpid();
}

static void *count(void *p, int sign) {
	/* What is forked off has the same mapping. */
	if (p && shared && getpid() == owner) {
		__atomic_add_fetch(&shared->blocks, sign, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->bytes, sign * (int64_t)malloc_usable_size(p),
				   __ATOMIC_RELAXED);
	}
	return p;
}

void *malloc(size_t size) {
	return count(__libc_malloc(size), 1);
}

void *calloc(size_t n, size_t size) {
	return count(__libc_calloc(n, size), 1);
}

void *realloc(void *p, size_t size) {
	void *new;

	count(p, -1);
	new = __libc_realloc(p, size);
	/* Where there is no more memory it stays as it was. */
	count(new || size == 0 ? new : p, 1);
	return new;
}

void free(void *p) {
	count(p, -1);
	__libc_free(p);
}

void *memalign(size_t alignment, size_t size) {
	return count(__libc_memalign(alignment, size), 1);
}

void *aligned_alloc(size_t alignment, size_t size) {
	return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size) {
	void *p = memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}
