/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Gives up everything that looking from outside does not need, before anything is read that comes
 * from the network: privileges, capabilities, new programs, core dumps, files that grow.  What the
 * kernel does not offer is left out.  Called once, before there are threads.
 */
void sandbox_enter(void);
