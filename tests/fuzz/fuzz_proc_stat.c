/* SPDX-License-Identifier: MIT */
/*
 * The name that a process gives itself (prctl(2)), which stands in the middle of /proc/PID/stat:
 * blanks, parentheses and line ends in it must not move what is read behind it.
 */
#include <sys/prctl.h>
#include <unistd.h>

#include "sys/proc.h"

#include "fuzz.h"

/* TASK_COMM_LEN, with its NUL. */
#define NAME_SIZE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *name = fuzz_text(data, MIN(size, (size_t)NAME_SIZE - 1)), comm[NAME_SIZE];
	char small[NAME_SIZE / 2], expected[NAME_SIZE], before[NAME_SIZE];
	static uint64_t start_ticks;
	struct proc_stat stat;

	must(prctl(PR_GET_NAME, before) == 0 && prctl(PR_SET_NAME, name) == 0);
	must(proc_read_stat(getpid(), &stat) == 0);
	must(stat.state == 'R' && stat.parent == getppid() && stat.group == getpgrp());
	must(stat.n_threads >= 1 && stat.n_threads < 64 && stat.start_ticks > 0);
	must(start_ticks == 0 || stat.start_ticks == start_ticks);
	start_ticks = stat.start_ticks;

	must(proc_read_comm(getpid(), comm, sizeof(comm)) == 0);
	text_clean(expected, sizeof(expected), name, strlen(name));
	must(strcmp(comm, expected) == 0 && fuzz_is_clean(comm, strlen(comm)));
	must(proc_read_comm(getpid(), small, sizeof(small)) == 0);
	must(strncmp(small, comm, strlen(small)) == 0);
	must(prctl(PR_SET_NAME, before) == 0);
	free(name);
	return 0;
}
