/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/stat.h>

#include "base/defs.h"

/*
 * True where nobody but root and we ourselves can rename or remove what we make in the folder that
 * @st is of: it belongs to one of us, and others may not write to it, or it is sticky, as /tmp.
 */
bool folder_is_trusted(const struct stat *st);
