/* SPDX-License-Identifier: MIT */
#include "sys/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/*
 * Between the first instruction and exec of the child no signal may be lost, and after it the child
 * must see the mask and the dispositions that sdwd was given. So nothing here ever installs a
 * handler: all signals are blocked, wait in the kernel, and are read from a signalfd. A signal that
 * reaches the forked child before exec waits there too, over execve(2) ("pending signals are
 * preserved"), until the mask comes back as the last thing.
 *
 * The mask goes by the system call itself: libc's wrappers leave its two internal signals (32 and
 * 33, nptl(7)) out, and a mask that has them would not come back as it was.
 */

#define KERNEL_SIGSET_SIZE ((size_t)(_NSIG / 8))

static int change_mask(const sigset_t *mask, sigset_t *ret_old) {
	return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, ret_old, KERNEL_SIGSET_SIZE);
}

/* All signals but those that a fault of our own raises: blocked, they kill at once all the same. */
static void fill_blockable(sigset_t *set) {
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

	memset(set, 0xff, sizeof(*set));
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		(void)sigdelset(set, faults[i]);
}

int signals_block(struct signals *s) {
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t all;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	fill_blockable(&all);
	if (change_mask(&all, &s->inherited_mask) < 0 ||
	    sigaction(SIGCHLD, &standard, &s->inherited_sigchld) < 0)
		return -errno;
	return 0;
}

int signals_open(struct signals *s) {
	sigset_t all;
	int fd;

	fill_blockable(&all);
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	s->fd = fd;
	return 0;
}

/*
 * A write(2) of ours to a broken pipe, or past RLIMIT_FSIZE, comes as SI_USER from our own pid. The
 * kernel's SIGXCPU (RLIMIT_CPU) is about our own processor time; the child's it tells the child.
 */
static bool is_own(const struct signalfd_siginfo *record) {
	if (record->ssi_signo == SIGXCPU && record->ssi_code == SI_KERNEL)
		return true;
	return record->ssi_pid == (uint32_t)getpid() && record->ssi_code <= 0;
}

int signals_next(struct signals *s, struct signalfd_siginfo *ret) {
	struct signalfd_siginfo record;
	ssize_t n;

	for (;;) {
		n = read(s->fd, &record, sizeof(record));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n != sizeof(record))
			return -EIO;
		if (is_own(&record))
			continue;
		*ret = record;
		return 1;
	}
}

void signals_restore(const struct signals *s) {
	(void)sigaction(SIGCHLD, &s->inherited_sigchld, NULL);
	(void)change_mask(&s->inherited_mask, NULL);
}

void signals_reset(void) {
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int n = 1; n < _NSIG; n++)
		(void)sigaction(n, &standard, NULL);
	memset(&none, 0, sizeof(none));
	(void)change_mask(&none, NULL);
}

void signals_ignore(void) {
	struct sigaction ignored = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
	sigset_t blockable, none;

	fill_blockable(&blockable);
	for (int n = 1; n < _NSIG; n++)
		(void)sigaction(n,
				sigismember(&blockable, n) == 1 && n != SIGCHLD ? &ignored
										: &standard,
				NULL);
	memset(&none, 0, sizeof(none));
	(void)change_mask(&none, NULL);
}

void signals_close(struct signals *s) {
	s->fd = fd_close(s->fd);
}
