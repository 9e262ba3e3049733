/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target once on every file of the folders given: for compilers without libFuzzer. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *path, const char *why) {
	fprintf(stderr, "%s: %s\n", path, why);
	return -1;
}

static int replay_file(const char *path) {
	struct stat st;
	uint8_t *data;
	FILE *f;

	f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		if (f)
			fclose(f);
		return fail(path, strerror(errno));
	}
	/* Exactly as large as the input, so that sanitizers see a read behind it. */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		free(data);
		fclose(f);
		return fail(path, "cannot be read");
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	return 0;
}

/* Returns how many files there were, or -1. */
static int replay_folder(const char *folder) {
	struct dirent *entry;
	char path[4096];
	int n = 0;
	DIR *d;

	d = opendir(folder);
	if (!d)
		return fail(folder, strerror(errno));
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
			    (int)sizeof(path) ||
		    replay_file(path) < 0) {
			n = -1;
			break;
		}
		n++;
	}
	closedir(d);
	return n != 0 ? n : fail(folder, "no input in it");
}

int main(int argc, char *argv[]) {
	int n_files = 0;

	if (argc < 2)
		return fail(argv[0], "name the folders with the inputs") < 0;
	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);

		if (n < 0)
			return 1;
		n_files += n;
	}
	printf("%d inputs\n", n_files);
	return 0;
}
